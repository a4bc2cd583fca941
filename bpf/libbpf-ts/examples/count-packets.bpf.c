// Counts the packets of each IPv4 source that arrive at a device.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__uint(key_size, 4);
	__type(value, __u64);
} packets SEC(".maps");

SEC("tc")
int count(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u64 one = 1, *known;

	if ((void *)(ip + 1) > end || skb->protocol != __builtin_bswap16(ETH_P_IP))
		return TC_ACT_OK;
	known = bpf_map_lookup_elem(&packets, &ip->saddr);
	if (known)
		__sync_fetch_and_add(known, 1);
	else
		bpf_map_update_elem(&packets, &ip->saddr, &one, BPF_NOEXIST);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
