/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef FLOW_EVENTS_H
#define FLOW_EVENTS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "endpoint.h"
#include "outcome.h"

#define NANOSECONDS 1000000000ULL

enum flow_event_kind {
	CONNECTION_BEGUN,
	CONNECTION_ENDED,
	PACKET_DROPPED,
	/* It was not, though policy does not allow it. */
	PACKET_AUDITED,
} __attribute__((packed));

/* What is told of connections, rather than of each packet. */
struct flow_event {
	__u64 time;
	/* Of the connection, both ways; of what was dropped, this packet. */
	__u64 packets;
	__u64 bytes;
	__u32 ifindex;
	__u32 subject;
	__u32 peer;
	ADDRESS(local_address);
	ADDRESS(remote_address);
	__u16 local_port;
	__u16 remote_port;
	/* The port of Envoy's listener that has the connection; 0: it goes by none. */
	__u16 slot;
	__u8 protocol;
	__u8 icmp_type;
	/* Who opened it; of what was dropped, which way it went. */
	enum direction direction;
	enum flow_event_kind kind;
	enum outcome outcome;
	/* 0 is a type, too. */
	__u8 has_icmp_type;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} flow_events SEC(".maps");

/* Events that there was no room for. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} flow_events_lost SEC(".maps");

/* Those beyond what may be told of in a second. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} flow_events_beyond_limit SEC(".maps");

/* A packet may interrupt a process that counts on the same processor. */
static __always_inline void count_untold(void *counter)
{
	__u32 only = 0;
	__u64 *count = bpf_map_lookup_elem(counter, &only);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* One that is zero, to be submitted; null where there is no room. */
static __always_inline struct flow_event *reserve_flow_event(void)
{
	struct flow_event *event = bpf_ringbuf_reserve(&flow_events, sizeof(*event), 0);

	if (event) {
		__builtin_memset(event, 0, sizeof(*event));
		return event;
	}
	count_untold(&flow_events_lost);
	return 0;
}

/* So that the types of the object have it. */
const struct flow_event *flow_event_of __attribute__((unused));

/* Drops may be as many as an attacker wishes: so many are told of, the rest is counted. */
struct drop_allowance {
	__u64 since;
	__u64 told;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct drop_allowance);
} drop_allowance SEC(".maps");

/* Asked once of each, as one that may not be told is counted. */
static __always_inline bool may_tell_drop(const struct configuration *configuration, __u64 now)
{
	__u32 only = 0;
	struct drop_allowance *allowance = bpf_map_lookup_elem(&drop_allowance, &only);

	if (!allowance || configuration->monitor < MONITOR_DROPS)
		return false;
	if (now - allowance->since > NANOSECONDS) {
		allowance->since = now;
		allowance->told = 0;
	}
	if (allowance->told >= configuration->drops_per_second) {
		count_untold(&flow_events_beyond_limit);
		return false;
	}
	allowance->told += 1;
	return true;
}

#endif
