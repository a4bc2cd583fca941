/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef OPENED_H
#define OPENED_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "endpoint.h"
#include "identity.h"
#include "outcome.h"
#include "packet.h"
#include "proxy.h"
#include "verdict.h"

/* What is common to Envoy's sockets that are judged where they are, whoever they are for. */
#define PROCEED 1
/* The socket is told EPERM. */
#define REFUSE 0

#define AF_INET 2
#define AF_INET6 10
#define SOL_SOCKET 1
#define SO_MARK 36

/* Undefined for all other sockets. */
static __always_inline const struct configuration *configuration_for(struct bpf_sock *sk, __u32 kind)
{
	__u32 only = 0;

	if (sk && asks_listener(sk->mark))
		return 0;
	return sk && sk->protocol == IPPROTO_TCP && kind_of_mark(sk->mark) == kind ? bpf_map_lookup_elem(&configuration, &only) : 0;
}

/* The same before it connects. */
static __always_inline const struct configuration *configuration_for_opening(struct bpf_sock *sk)
{
	__u32 only = 0;

	if (sk && sk->protocol == IPPROTO_TCP && sk->mark == 0 && sk->priority == PRIORITY_SEALED)
		return bpf_map_lookup_elem(&configuration, &only);
	return configuration_for(sk, MARK_INGRESS);
}

static __always_inline int answer(enum direction heading, enum outcome outcome, __u32 bytes)
{
	if (!is_drop(outcome))
		return PROCEED;
	count(heading, outcome, bytes);
	return REFUSE;
}

/* Of a packet that begins with its IP header, as it does at a socket's cgroup; by where it stands in either. */
static __always_inline bool read_address(struct __sk_buff *skb, __u32 at_ipv4, __u32 at_ipv6, __u8 *address)
{
	__be32 ipv4 = 0;

	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return !bpf_skb_load_bytes(skb, at_ipv6, address, ADDRESS_BYTES);
	if (bpf_skb_load_bytes(skb, at_ipv4, &ipv4, sizeof(ipv4)))
		return false;
	map_ipv4(address, ipv4);
	return true;
}

static __always_inline bool read_source(struct __sk_buff *skb, __u8 *address)
{
	return read_address(skb, offsetof(struct iphdr, saddr), offsetof(struct ipv6hdr, saddr), address);
}

static __always_inline bool read_destination(struct __sk_buff *skb, __u8 *address)
{
	return read_address(skb, offsetof(struct iphdr, daddr), offsetof(struct ipv6hdr, daddr), address);
}

#define TCP_SOURCE_AT 0
#define TCP_DESTINATION_AT 2

/* Of the same packet, where it has TCP right behind its IP header: behind extension headers a port is not looked for. */
static __always_inline bool find_tcp(struct __sk_buff *skb, __u32 *at)
{
	__u8 byte = 0;

	*at = sizeof(struct ipv6hdr);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return !bpf_skb_load_bytes(skb, offsetof(struct ipv6hdr, nexthdr), &byte, sizeof(byte)) && byte == IPPROTO_TCP;
	if (bpf_skb_load_bytes(skb, 0, &byte, sizeof(byte)))
		return false;
	*at = (byte & 0xf) * 4;
	return true;
}

static __always_inline bool read_port(struct __sk_buff *skb, __u32 in_tcp, __u16 *port)
{
	__be16 found = 0;
	__u32 at;

	if (!find_tcp(skb, &at) || bpf_skb_load_bytes(skb, at + in_tcp, &found, sizeof(found)))
		return false;
	*port = bpf_ntohs(found);
	return true;
}

/* Who hears of the end of a connection by a reset learns nothing else. */
static __always_inline bool is_reset(struct __sk_buff *skb)
{
	__u8 flags = 0;
	__u32 at;

	return find_tcp(skb, &at) && !bpf_skb_load_bytes(skb, at + TCP_FLAGS_AT, &flags, sizeof(flags)) && (flags & TCP_RST);
}

/* By the policy of an identity; 0: nobody's. */
static __noinline int judge_as(__u32 identity, struct attempt *attempt)
{
	struct subject *found, subject;

	if (identity == 0)
		return PASSED_UNJUDGED;
	found = bpf_map_lookup_elem(&subjects, &identity);
	if (!found)
		return DROPPED_NO_POLICY;
	subject = *found;
	if (subject.identity != identity)
		return DROPPED_NO_POLICY;
	return judge_attempt(&subject, attempt);
}

/*
 * To a backend. `slot`, 0 before: that whose rules decide. Routes cannot lead to it what goes to this node's own addresses. Loopback and the unspecified
 * address are no backend of anybody's, whatever policy says: here they are the node's, and Envoy's admin interface is there.
 */
static __always_inline enum outcome judge_opened(const struct configuration *configuration, __u32 identity, const __u8 *wanted, __u16 port,
						 __u16 *slot)
{
	struct attempt attempt = { .peer = identity_of(wanted), .protocol = IPPROTO_TCP, .port = port, .direction = EGRESS };
	enum outcome outcome;

	if (is_martian_source(wanted))
		return DROPPED_MARTIAN;
	outcome = judge_as(identity, &attempt);
	if (outcome == PASSED_STEERED && (attempt.peer == IDENTITY_HOST || configuration->steer_entry_ifindex == 0))
		return DROPPED_SLOT;
	*slot = attempt.slot;
	return outcome;
}

/* Has all that the socket will send known as of this kind, and led to the slot's listener, if there is one. */
static __always_inline bool lead(struct bpf_sock_addr *ctx, __u32 kind, __u16 slot)
{
	__u32 mark = slot == 0 ? kind : MARK_INGRESS_LED | kind | (__u32)slot << MARK_PORT_SHIFT;

	if (slot == 0 && ctx->sk && (ctx->sk->mark & MARK_FOR_CLIENT_BITS) == kind)
		return true;
	return !bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* What was opened before something changed may go by way of another slot, or of one or none while it is the other way round now. */
static __always_inline bool is_way_of(__u32 mark, __u16 slot)
{
	return slot == 0 ? !is_led(mark) : is_led(mark) && slot_of_mark(mark) == slot;
}

/* Of what is sent. */
static __always_inline enum outcome judge_way(const struct configuration *configuration, const struct __sk_buff *skb, __u32 mark, __u16 slot)
{
	if (!is_way_of(mark, slot))
		return DROPPED_OTHER_SLOT;
	/* Routes may have changed. */
	return slot == 0 || skb->ifindex == configuration->steer_entry_ifindex ? PASSED_UNJUDGED : DROPPED_NO_PROXY;
}

/* What a process of the node asks of a listener gets there or nowhere: routes may have changed. */
static __always_inline int judge_asking(struct __sk_buff *skb)
{
	__u32 only = 0;
	const struct configuration *found = bpf_map_lookup_elem(&configuration, &only);
	bool is_led_there = found && found->steer_entry_ifindex && skb->ifindex == found->steer_entry_ifindex;

	return answer(EGRESS, is_led_there ? PASSED_STEERED : DROPPED_LISTENER, skb->len);
}

#endif
