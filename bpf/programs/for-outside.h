/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef FOR_OUTSIDE_H
#define FOR_OUTSIDE_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "endpoint.h"
#include "for-client.h"
#include "from-outside.h"
#include "identity.h"
#include "ingress.h"
#include "opened.h"
#include "outcome.h"
#include "proxy.h"

/*
 * What Envoy opens for who asked from outside of the node has the node's ingress address: answers to the client's own would pass by this node. So a backend
 * hears of Ingresses. Where it is a pod of this node, it is asked about the client as well: see docs/decisions/envoy-config.md.
 */
struct outside_opening {
	ADDRESS(client);
};

/* Goes with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct outside_opening);
} outside_openings SEC(".maps");

/* The slot whose rules its backend asks of Ingresses, which are all that somebody asks. */
static __always_inline bool asks_the_same(const struct configuration *configuration, __u32 backend, __u16 port, __u16 slot)
{
	struct attempt of_ingresses = { .protocol = IPPROTO_TCP, .port = port, .direction = INGRESS };

	of_ingresses.peer = configuration->ingress_identity ? configuration->ingress_identity : IDENTITY_INGRESS;
	return judge_as(backend, &of_ingresses) == PASSED_STEERED && of_ingresses.slot == slot;
}

/* By the backend's own policy, of the client. `heard` says it the way the backend's door does: its source is the backend. */
static __noinline int judge_at_backend(const struct configuration *configuration, struct opened *heard)
{
	struct attempt attempt = { .protocol = IPPROTO_TCP, .direction = INGRESS };
	enum outcome outcome;

	if (!find_client(heard))
		return PASSED_UNJUDGED;
	attempt.peer = identity_of(heard->wanted);
	attempt.port = heard->source_port;
	outcome = judge_as(heard->identity, &attempt);
	if (outcome == PASSED_STEERED && !asks_the_same(configuration, heard->identity, attempt.port, attempt.slot))
		outcome = DROPPED_SLOT;
	return is_denial(outcome) && is_audited(heard->identity) ? PASSED_AUDITED : outcome;
}

/* Told as of the backend's door, where it is refused. */
static __always_inline enum outcome judge_for_outside(const struct configuration *configuration, const __u8 *client, const __u8 *wanted,
						      __u16 port, __u32 bytes)
{
	struct opened heard = { .source_port = port };
	enum outcome outcome;

	copy_address(heard.source, wanted);
	copy_address(heard.wanted, client);
	outcome = judge_at_backend(configuration, &heard);
	if (is_drop(outcome) || (outcome == PASSED_AUDITED && bytes == 0))
		tell_opened(configuration, &heard, INGRESS, outcome, bytes);
	return outcome;
}

/* Of a socket that Envoy has bound to an address which is no pod's of this node. */
static __always_inline bool will_be_for_outside(struct bpf_sock *sk)
{
	ADDRESS(client);

	read_own_address(sk, client);
	return !is_own_pods(client) && has_asked_from_outside(client);
}

/* Before it has another address: whom it is for is known by that which it has. */
static __always_inline enum outcome begin_for_outside(struct bpf_sock_addr *ctx, const struct configuration *configuration,
						      const __u8 *wanted)
{
	struct outside_opening *opening;
	enum outcome outcome;
	ADDRESS(client);

	if (!ctx->sk)
		return DROPPED_SPOOFED;
	read_own_address(ctx->sk, client);
	outcome = judge_for_outside(configuration, client, wanted, bpf_ntohs((__u16)ctx->user_port), 0);
	if (is_drop(outcome))
		return outcome;
	opening = bpf_sk_storage_get(&outside_openings, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!opening)
		return DROPPED_SPOOFED;
	copy_address(opening->client, client);
	return outcome;
}

/* Of what is sent, like all that such a socket may not any more. */
static __always_inline enum outcome judge_packet_for_outside(struct bpf_sock *sk, const struct configuration *configuration,
							     const __u8 *wanted, __u32 bytes)
{
	struct outside_opening *opening = bpf_sk_storage_get(&outside_openings, sk, 0, 0);
	ADDRESS(client);

	if (!opening)
		return DROPPED_SPOOFED;
	copy_address(client, opening->client);
	return judge_for_outside(configuration, client, wanted, bpf_ntohs(sk->dst_port), bytes);
}

/* `own`: the ingress address of the family; where there is none, the unspecified one. */
static __always_inline int connect_as_ingress(struct bpf_sock_addr *ctx, const struct configuration *configuration, const __u8 *wanted,
					      struct sockaddr *own, int size, __be16 *port, bool has_own)
{
	bool is_for_outside = will_be_for_client(ctx->sk);
	__u32 kind = is_for_outside ? MARK_FOR_OUTSIDE : MARK_INGRESS;
	enum outcome outcome;
	__u16 slot = 0;

	outcome = judge_opened(configuration, configuration->ingress_identity, wanted, bpf_ntohs((__u16)ctx->user_port), &slot);
	if (!is_drop(outcome) && is_for_outside)
		outcome = begin_for_outside(ctx, configuration, wanted);
	if (is_drop(outcome))
		return answer(EGRESS, outcome, 0);
	if (has_own)
		return lead(ctx, kind, slot) && bind_own(ctx, own, size, port) ? PROCEED : REFUSE;
	outcome = slot ? DROPPED_SLOT : judge_as_node(configuration, wanted);
	if (is_drop(outcome) || !is_for_outside)
		return answer(EGRESS, outcome, 0);
	return lead(ctx, kind, 0) && !bpf_bind(ctx, own, size) ? PROCEED : REFUSE;
}

#endif
