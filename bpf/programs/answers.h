/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "endpoint.h"
#include "judge.h"
#include "packet.h"
#include "proxy.h"
#include "proxy-sockets.h"

/* What comes to a door and is for a socket by which Envoy opened a connection, with an address that is a pod's. */

/* A pod of this node answers what Envoy opened, but not what is led to a slot. */
static __always_inline bool is_answer_to_opener(const struct door *door, const struct packet *packet)
{
	__u32 mark;

	if (!may_be_for_upstream(packet))
		return false;
	mark = mark_of_receiver(door->skb, packet);
	return is_opener(mark) && !is_led(mark);
}

/*
 * What answers Envoy where it has a pod's own address to an egress slot or for a Service, or the ingress address: an upstream of an ingress slot is answered
 * by a pod of this node. What is led to a slot is answered by the slot's listener and nobody else.
 */
static __always_inline bool is_for_opener(const struct door *door, const struct packet *packet)
{
	__u32 kind = kind_of_mark(door->skb->mark);
	bool is_by_slot = kind == MARK_EGRESS_LISTENER;
	bool may_be_for_ingress =
		packet->protocol == IPPROTO_TCP && !opens_tcp(packet) && has_ingress_address(door->configuration, &door->endpoint);
	__u32 mark;

	if (!may_be_for_ingress && !may_be_for_upstream(packet))
		return false;
	if (!door->has_subject || kind == MARK_INGRESS_UPSTREAM)
		return false;
	mark = mark_of_receiver(door->skb, packet);
	if (is_judged_at_socket(mark))
		return is_led(mark) == is_by_slot;
	return !is_by_slot && kind_of_mark(mark) == MARK_EGRESS_UPSTREAM;
}

#endif
