// Joins sockets of a cgroup in a map, and lets none of their messages pass that begin with a `!`; and a map of maps.
#include <linux/bpf.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u64);
} sockets SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} tables SEC(".maps");

SEC("sockops")
int join(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops);

	if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		bpf_sock_hash_update(ops, &sockets, &cookie, BPF_ANY);
	return 1;
}

SEC("sk_msg")
int judge(struct sk_msg_md *message)
{
	char *data = message->data;
	char *end = message->data_end;

	return data + 1 <= end && data[0] == '!' ? SK_DROP : SK_PASS;
}

SEC("tc")
int look_up(struct __sk_buff *skb)
{
	__u32 table = 1, key = 2;
	void *inner = bpf_map_lookup_elem(&tables, &table);
	__u64 *value = inner ? bpf_map_lookup_elem(inner, &key) : NULL;

	return value ? (int)*value : -1;
}

char LICENSE[] SEC("license") = "GPL";
