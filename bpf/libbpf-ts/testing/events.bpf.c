// Tells of packets: of each as many times as its first byte says, with a number that goes on, and of some never.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct event {
	__u64 number;
	__u32 round;
	__u16 kind;
	__u8 padding[50];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

const volatile __u32 rounds = 16;
__u64 next_number = 0;
__u64 lost = 0;

SEC("tc")
int tell(struct __sk_buff *skb)
{
	struct event *event;

	for (__u32 round = 0; round < rounds && round < 4096; round++) {
		event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
		if (!event) {
			__sync_fetch_and_add(&lost, 1);
			continue;
		}
		event->number = next_number++;
		event->round = round;
		event->kind = round % 2;
		// Every fourth is thought better of.
		if (round % 4 == 3)
			bpf_ringbuf_discard(event, 0);
		else
			bpf_ringbuf_submit(event, 0);
	}
	return TC_ACT_OK;
}

SEC("tc")
int tell_shortly(struct __sk_buff *skb)
{
	__u32 word = 7;

	bpf_ringbuf_output(&events, &word, sizeof(word), 0);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
