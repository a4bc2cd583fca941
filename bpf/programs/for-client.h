/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef FOR_CLIENT_H
#define FOR_CLIENT_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "endpoint.h"
#include "flow-events.h"
#include "judge.h"
#include "opened.h"
#include "outcome.h"
#include "proxy.h"
#include "verdict.h"

/*
 * What Envoy opens for a pod that asked a Service which a listener took has the pod's own address, and is judged as what the pod opens itself; what it opens
 * for a process of the node is the node's: see docs/decisions/envoy-config.md.
 */
struct opened {
	/* The socket's own, which is the pod's. */
	ADDRESS(source);
	ADDRESS(wanted);
	__u16 source_port;
	__u16 wanted_port;
	/* Of the slot whose rules decide; 0: there is none. */
	__u16 slot;
	/* The pod that it is for. */
	__u32 ifindex;
	__u32 identity;
};

/* The address may be another's by now, or nobody's of this node. */
static __always_inline bool find_client(struct opened *opened)
{
	struct address_key key = {};
	struct address_owner *owner;
	struct endpoint *endpoint;

	copy_address(key.address, opened->source);
	owner = bpf_map_lookup_elem(&address_owners, &key);
	if (!owner)
		return false;
	opened->ifindex = *(volatile __u32 *)&owner->ifindex;
	if (!equals(owner->address, opened->source))
		return false;
	endpoint = bpf_map_lookup_elem(&endpoints, &opened->ifindex);
	if (!endpoint)
		return false;
	opened->identity = *(volatile __u32 *)&endpoint->identity;
	return opened->identity && endpoint->ifindex == opened->ifindex;
}

static __always_inline bool is_audited(__u32 identity)
{
	struct subject *subject = bpf_map_lookup_elem(&subjects, &identity);

	return subject && subject->identity == identity && subject->audits;
}

/* Nobody is asked where the node may go, but what is its own alone is out of reach for whoever decides where Envoy goes. */
static __always_inline enum outcome judge_for_node(const struct opened *opened)
{
	return is_martian_source(opened->wanted) ? DROPPED_MARTIAN : PASSED_HOST;
}

/* As at the pod's own door. PASSED_HOST: it is for the node itself. `mark`: the socket's. */
static __noinline int judge_for_client(const struct configuration *configuration, struct opened *opened, __u32 mark)
{
	enum outcome outcome;

	if (!find_client(opened))
		return identity_of(opened->source) == IDENTITY_HOST ? judge_for_node(opened) : DROPPED_SPOOFED;
	outcome = judge_opened(configuration, opened->identity, opened->wanted, opened->wanted_port, &opened->slot);
	if (opened->slot && is_asked(mark, opened->slot))
		opened->slot = 0;
	return is_denial(outcome) && is_audited(opened->identity) ? PASSED_AUDITED : outcome;
}

/* As of the pod's door. */
static __noinline int tell_opened(const struct configuration *configuration, const struct opened *opened, enum direction heading,
				  enum outcome outcome, __u32 bytes)
{
	__u64 now = bpf_ktime_get_ns();
	struct flow_event *event;

	if (!may_tell_drop(configuration, now))
		return 0;
	event = reserve_flow_event();
	if (!event)
		return 0;
	event->time = now;
	event->packets = 1;
	event->bytes = bytes;
	event->ifindex = opened->ifindex;
	event->subject = opened->identity;
	event->peer = identity_of(opened->wanted);
	copy_address(event->local_address, opened->source);
	copy_address(event->remote_address, opened->wanted);
	event->local_port = opened->source_port;
	event->remote_port = opened->wanted_port;
	event->slot = opened->slot;
	event->protocol = IPPROTO_TCP;
	event->direction = heading;
	event->kind = is_drop(outcome) ? PACKET_DROPPED : PACKET_AUDITED;
	event->outcome = outcome;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* From then on the socket is as any process' of the node, with whatever address that has towards the backend. */
static __always_inline bool leave_to_node(struct bpf_sock_addr *ctx, struct sockaddr *anywhere, int size)
{
	__u32 mark = MARK_FOR_NODE;

	return !bpf_bind(ctx, anywhere, size) && !bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static __always_inline void read_own_address(const struct bpf_sock *sk, __u8 *address)
{
	__u32 *words = (__u32 *)address;

	if (sk->family == AF_INET) {
		map_ipv4(address, apart(sk->src_ip4));
		return;
	}
	words[0] = apart(sk->src_ip6[0]);
	words[1] = apart(sk->src_ip6[1]);
	words[2] = apart(sk->src_ip6[2]);
	words[3] = apart(sk->src_ip6[3]);
}

/*
 * Before it connects. One cluster's connections may be for Ingresses and the like, or for clients, and its mark is the same for both: Envoy sets the cluster's
 * after the listener's. It binds those for clients alone.
 */
static __always_inline bool will_be_for_client(struct bpf_sock *sk)
{
	if (is_for_client(sk->mark))
		return true;
	return sk->family == AF_INET ? sk->src_ip4 : sk->src_ip6[0] | sk->src_ip6[1] | sk->src_ip6[2] | sk->src_ip6[3];
}

/* `anywhere`: the unspecified address of the family. */
static __always_inline int connect_for_client(struct bpf_sock_addr *ctx, const struct configuration *configuration, const __u8 *wanted,
					      struct sockaddr *anywhere, int size)
{
	struct opened opened = { .wanted_port = bpf_ntohs((__u16)ctx->user_port) };
	enum outcome outcome;

	if (!ctx->sk)
		return REFUSE;
	read_own_address(ctx->sk, opened.source);
	copy_address(opened.wanted, wanted);
	outcome = judge_for_client(configuration, &opened, ctx->sk->mark);
	/* A pod takes nothing that seems to come from itself, so it sees the node, as it does where kube-proxy leads it to itself. */
	if (outcome == PASSED_HOST || (outcome != DROPPED_SPOOFED && equals(opened.source, opened.wanted)))
		return leave_to_node(ctx, anywhere, size) ? PROCEED : REFUSE;
	if (is_drop(outcome) || outcome == PASSED_AUDITED)
		tell_opened(configuration, &opened, EGRESS, outcome, 0);
	if (is_drop(outcome))
		return answer(EGRESS, outcome, 0);
	return lead(ctx, MARK_FOR_CLIENT, opened.slot) ? PROCEED : REFUSE;
}

/* Fills in a zero one. A packet may have another source by now than its socket: what goes to the outside is masqueraded before it is seen. */
static __always_inline bool read_opened(struct __sk_buff *skb, const struct bpf_sock *sk, enum direction heading, struct opened *opened)
{
	read_own_address(sk, opened->source);
	opened->source_port = sk->src_port;
	if (heading == EGRESS)
		return read_destination(skb, opened->wanted) && read_port(skb, TCP_DESTINATION_AT, &opened->wanted_port);
	return read_source(skb, opened->wanted) && read_port(skb, TCP_SOURCE_AT, &opened->wanted_port);
}

/* Each packet, either way, so that what is not allowed any more ends, and nothing else comes of it. */
static __always_inline int judge_packet_for_client(struct __sk_buff *skb, const struct bpf_sock *sk, const struct configuration *configuration,
						   enum direction heading)
{
	struct opened opened = {};
	enum outcome outcome;

	if (!read_opened(skb, sk, heading, &opened))
		return REFUSE;
	outcome = judge_for_client(configuration, &opened, sk->mark);
	/* The address was a pod's when it was opened. */
	if (outcome == PASSED_HOST)
		outcome = DROPPED_SPOOFED;
	if (!is_drop(outcome) && heading == EGRESS)
		outcome = judge_way(configuration, skb, sk->mark, opened.slot);
	else if (!is_drop(outcome) && !is_way_of(sk->mark, opened.slot))
		outcome = DROPPED_OTHER_SLOT;
	if (!is_drop(outcome) || (outcome != DROPPED_SPOOFED && is_reset(skb)))
		return PROCEED;
	tell_opened(configuration, &opened, heading, outcome, skb->len);
	return answer(heading, outcome, skb->len);
}

#endif
