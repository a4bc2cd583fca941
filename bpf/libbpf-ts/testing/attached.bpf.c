// Programs for each place that they can be attached to, in pairs: one that refuses and one that does not.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

const volatile __u16 refused_port = 9999;

SEC("tc")
int drop_some(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end || ip->protocol != IPPROTO_UDP)
		return TC_ACT_OK;
	return udp->dest == bpf_htons(refused_port) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int drop_none(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

SEC("cgroup/connect4")
int connect_never(struct bpf_sock_addr *address)
{
	return 0;
}

SEC("cgroup/connect4")
int connect_always(struct bpf_sock_addr *address)
{
	return 1;
}

SEC("sk_lookup")
int find_none(struct bpf_sk_lookup *lookup)
{
	return lookup->local_port == refused_port ? SK_DROP : SK_PASS;
}

SEC("sk_lookup")
int find_all(struct bpf_sk_lookup *lookup)
{
	return SK_PASS;
}

static __always_inline int count(void)
{
	__u32 key = 0;
	__u64 *counted = bpf_map_lookup_elem(&calls, &key);

	if (counted)
		__sync_fetch_and_add(counted, 1);
	return 0;
}

SEC("raw_tp/sys_enter")
int count_calls(void *context)
{
	return count();
}

SEC("tracepoint/sock/inet_sock_set_state")
int count_states(void *context)
{
	return count();
}

SEC("kprobe/tcp_v4_connect")
int count_connects(void *context)
{
	return count();
}

SEC("uprobe/libc.so.6:getppid")
int count_questions(void *context)
{
	return count();
}

char LICENSE[] SEC("license") = "GPL";
