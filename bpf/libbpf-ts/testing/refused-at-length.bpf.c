// The verifier has much to say of this program before it refuses it, at its end.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ROUNDS 2048

SEC("tc")
int at_last(struct __sk_buff *skb)
{
	volatile __u32 sum = 0;

#pragma unroll ROUNDS
	for (int round = 0; round < ROUNDS; round++)
		sum += skb->len;
	return sum + *(__u32 *)(long)skb->data;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
