/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

/* Which way a packet or a connection goes, as the pod sees it. */
enum direction {
	INGRESS,
	EGRESS,
	DIRECTIONS,
} __attribute__((packed));

/* What became of a packet and why. Counters are kept by these numbers, which stay: new ones are added before OUTCOMES. */
enum outcome {
	/* Of a connection that is known, towards where it was opened to or back. */
	PASSED_KNOWN,
	PASSED_REPLY,
	/* The first of a connection, or of one after verdicts changed. */
	PASSED_ALLOWED,
	/* Nothing is said of it and the pod's direction is not closed. */
	PASSED_UNRESTRICTED,
	/* The node that the pod runs on. */
	PASSED_HOST,
	PASSED_ITSELF,
	/* An ICMP error that is about a connection. */
	PASSED_RELATED,
	/* What a link needs: ARP, neighbour discovery, group membership. */
	PASSED_LINK,
	/* Of a protocol that no verdict can name, and the pod's direction is not closed. */
	PASSED_UNJUDGED,
	/* Came from outside and was marked with who sent it. */
	PASSED_MARKED,

	DROPPED_DENIED,
	DROPPED_NOT_ALLOWED,
	/* Rules of layer 7 decide, and nobody who knows them is there. */
	DROPPED_SLOT,
	/* To the address of a Service: it was not translated at the socket. */
	DROPPED_SERVICE,
	/* The device or the identity is one that the agent has said nothing of. */
	DROPPED_NO_ENDPOINT,
	DROPPED_NO_POLICY,
	/* The source, or the sender in ARP and neighbour discovery, is not the pod's own. */
	DROPPED_SPOOFED,
	DROPPED_SPOOFED_ARP,
	DROPPED_SPOOFED_NEIGHBOUR,
	/* What only routers send. */
	DROPPED_ROUTER,
	/* To another pod's address, as bridges flood. */
	DROPPED_OTHER_DESTINATION,
	/* A source that no packet can have that comes from elsewhere. */
	DROPPED_MARTIAN,
	DROPPED_TRUNCATED,
	DROPPED_MALFORMED,
	DROPPED_TOO_MANY_HEADERS,
	/* With a routing header that it has not come to the end of. */
	DROPPED_SOURCE_ROUTED,
	DROPPED_VLAN,
	/* A part of a datagram whose beginning was not seen, or did not pass. */
	DROPPED_FRAGMENT,
	/* Of a protocol that no verdict can name. */
	DROPPED_UNKNOWN_PROTOCOL,
	/* Given to Envoy, where rules of layer 7 decide. */
	PASSED_STEERED,
	/* For Envoy, which has no socket that it is for. */
	DROPPED_NO_PROXY,
	/* From Envoy, which has it by other rules than those that hold. */
	DROPPED_OTHER_SLOT,
	/* Seems to answer a connection that Envoy has, and is not from Envoy. */
	DROPPED_BESIDE_PROXY,
	/* Policy does not allow it, and nothing but that is to be told of the pod. The first of a connection, or of one after verdicts changed. */
	PASSED_AUDITED,
	/* To a Service that a listener takes, which is not there. */
	DROPPED_LISTENER,

	OUTCOMES,
} __attribute__((packed));

#define FIRST_DROP DROPPED_DENIED

static __always_inline bool is_drop(enum outcome outcome)
{
	return outcome >= FIRST_DROP && outcome != PASSED_STEERED && outcome != PASSED_AUDITED;
}

struct counter {
	__u64 packets;
	__u64 bytes;
};

/* By direction * OUTCOMES + outcome. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DIRECTIONS * OUTCOMES);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

static __always_inline void count(enum direction heading, enum outcome outcome, __u32 bytes)
{
	__u32 index = heading * OUTCOMES + outcome;
	struct counter *counter = bpf_map_lookup_elem(&counters, &index);

	if (!counter)
		return;
	counter->packets += 1;
	counter->bytes += bytes;
}

#endif
