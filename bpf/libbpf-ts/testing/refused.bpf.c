// The verifier takes the first of these programs and refuses the second, which reads beyond a packet.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int fine(struct __sk_buff *skb)
{
	return 0;
}

SEC("tc")
int careless(struct __sk_buff *skb)
{
	return *(__u32 *)(long)skb->data;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
