/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef INGRESS_H
#define INGRESS_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "endpoint.h"
#include "identity.h"
#include "opened.h"
#include "outcome.h"
#include "proxy.h"
#include "proxy-sockets.h"
#include "verdict.h"

/*
 * What Envoy opens for Ingresses is known by its socket's mark, gets the node's ingress address where it connects, and is judged as whoever has that
 * address: see docs/decisions/ingress-identity.md.
 */

/* Whoever policies are about, other than nodes. */
static __always_inline bool is_policed_peer(__u32 identity)
{
	return is_of_cluster(identity) && identity != IDENTITY_HOST && identity != IDENTITY_REMOTE_NODE && identity != IDENTITY_API_SERVER;
}

/* With the node's address: its own pods know it by its mark, those of others by its address alone, and would take it for the node. */
static __always_inline enum outcome judge_as_node(const struct configuration *configuration, const __u8 *wanted)
{
	return configuration->needs_ingress_address && is_policed_peer(identity_of(wanted)) ? DROPPED_NO_ENDPOINT : PASSED_UNJUDGED;
}

#define FIRST_OWN_PORT 32768
#define PORT_TRIES 4

/* Counts on from wherever it begins. */
static __u32 next_own_port;

/*
 * Gives the socket the ingress address, and a port below those of slots: on the pod's node a slot may have a connection of the same address, and from the
 * same port both would be one to the pod. One after the other, so that none is used again soon: a pod may not have heard of the end of what was cut off.
 * Where those that are tried are taken, the kernel finds one by the whole connection.
 */
static __always_inline bool bind_own(struct bpf_sock_addr *ctx, struct sockaddr *own, int size, __be16 *port)
{
	if (next_own_port == 0)
		next_own_port = bpf_get_prandom_u32() | 1;
	for (int i = 0; i < PORT_TRIES; i++) {
		*port = bpf_htons(FIRST_OWN_PORT + __sync_fetch_and_add(&next_own_port, 1) % (FIRST_UPSTREAM_PORT - FIRST_OWN_PORT));
		if (!bpf_bind(ctx, own, size))
			return true;
	}
	*port = 0;
	return !bpf_bind(ctx, own, size);
}

/*
 * What was opened before something changed: with the node's address before there was a policy, or with an ingress address whose pod is gone since. That
 * may be another pod's by now.
 */
static __always_inline enum outcome judge_source(const struct configuration *configuration, const __u8 *source, const __u8 *wanted)
{
	__u32 identity = identity_of(source);

	if (identity == IDENTITY_HOST || is_martian_source(source))
		return judge_as_node(configuration, wanted);
	return identity == IDENTITY_INGRESS || identity == configuration->ingress_identity ? PASSED_UNJUDGED : DROPPED_SPOOFED;
}

/*
 * The port that a client asked for, which is not that of a slot's listener. Behind extension headers a port is not looked for: that would be taken for
 * another's.
 */
static __always_inline bool read_wanted_port(struct __sk_buff *skb, const struct bpf_sock *sk, __u16 *port)
{
	*port = sk->src_port;
	if (sk->state != BPF_TCP_LISTEN || slot_of_mark(sk->mark) == 0)
		return true;
	return read_port(skb, TCP_DESTINATION_AT, port);
}

/* From a client. `mark`: a packet's, which tells who was masqueraded on the way. */
static __always_inline enum outcome judge_client(const struct configuration *configuration, const __u8 *source, __u16 port, __u32 mark,
						 __u16 *slot)
{
	struct attempt attempt = { .peer = identity_of(source), .protocol = IPPROTO_TCP, .port = port, .direction = INGRESS };
	enum outcome outcome;

	/* Of loopback, where nobody else sends from. */
	if (is_martian_source(source))
		attempt.peer = IDENTITY_HOST;
	else if (attempt.peer == IDENTITY_HOST && is_identity_mark(mark))
		attempt.peer = marked_identity(mark);
	outcome = judge_as(configuration->ingress_identity, &attempt);
	*slot = attempt.slot;
	return outcome;
}

/* At the socket that has it, which may be another slot's since something changed, or of none. */
static __always_inline enum outcome judge_accepted(const struct configuration *configuration, const struct __sk_buff *skb,
						   const struct bpf_sock *sk, const __u8 *source, __u16 port)
{
	__u16 slot = 0;
	enum outcome outcome = judge_client(configuration, source, port, skb->mark, &slot);

	return is_drop(outcome) || slot_of_mark(sk->mark) == slot ? outcome : DROPPED_OTHER_SLOT;
}

#endif
