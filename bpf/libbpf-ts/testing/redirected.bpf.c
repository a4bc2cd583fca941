// Joins the sockets of a cgroup that opened a connection, by their local ports, and gives their messages to others of them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} by_port SEC(".maps");

/* From whose messages go to whom. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} routes SEC(".maps");

SEC("sockops")
int join(struct bpf_sock_ops *ops)
{
	__u32 port = ops->local_port;

	if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		bpf_sock_hash_update(ops, &by_port, &port, BPF_ANY);
	return 1;
}

SEC("sk_msg")
int redirect(struct sk_msg_md *message)
{
	__u32 from = message->local_port;
	__u32 *to = bpf_map_lookup_elem(&routes, &from);

	return to ? bpf_msg_redirect_hash(message, &by_port, to, BPF_F_INGRESS) : SK_PASS;
}

SEC("sk_msg")
int refuse(struct sk_msg_md *message)
{
	return SK_DROP;
}

char LICENSE[] SEC("license") = "GPL";
