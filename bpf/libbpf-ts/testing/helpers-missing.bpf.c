// A program that calls a helper which its type may not call, and one that no kernel has.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static long (*no_such_helper)(void) = (void *)9999;

SEC("tc")
int calls_too_much(struct __sk_buff *skb)
{
	bpf_override_return((void *)skb, 1);
	return no_such_helper() + bpf_ktime_get_ns();
}

char LICENSE[] SEC("license") = "GPL";
