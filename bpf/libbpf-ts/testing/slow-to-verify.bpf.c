// The verifier follows every round of the loop, which takes it long, and then takes the program.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ROUNDS 50000

SEC("tc")
int count_up(struct __sk_buff *skb)
{
	volatile __u32 sum = 0;

	for (int round = 0; round < ROUNDS; round++)
		sum += skb->len;
	return sum;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
