// Types of all kinds as keys and values.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum verdict { ALLOW = 1, DENY = 2 };

struct address {
	union {
		__u32 words[4];
		__s16 halves[8];
		__u8 bytes[16];
	};
};

struct flow_key {
	struct address source;
	struct address destination;
	__u16 ports[2];
	__u8 protocol;
	bool is_reply;
};

struct flow {
	__u64 packets;
	__s32 balance;
	enum verdict verdict;
	char name[5];
	__s8 small;
	const __u16 port;
	void *pointer;
	struct {
		__u8 a;
		__u32 b;
	} inside;
};

struct packed {
	__u8 a;
	__u32 b;
} __attribute__((packed));

struct bits {
	__u32 a : 3;
	__u32 b : 29;
};

struct told {
	__u64 when;
	__u32 new;
};

/* Named as what is imported, and as a word of the language. */
struct bytes {
	__u64 delete;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct packed);
	__type(value, struct bits);
} odd SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __s64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

/* So that they are among the types of the object. */
const struct told *told_of;
struct bytes *bytes_of;

SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
