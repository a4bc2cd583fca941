/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PACKET_EVENTS_H
#define PACKET_EVENTS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "connections.h"
#include "flow-events.h"
#include "identity.h"
#include "judge.h"
#include "outcome.h"
#include "packet.h"

/* Not inlined, as its part of the stack is then used only when it is done. */
static __noinline int tell_packet(const struct door *door, const struct packet *packet, enum outcome outcome)
{
	struct connection_key key = {};
	struct flow_event *event;

	if (!door->configuration || !may_tell_drop(door->configuration, door->now))
		return 0;
	event = reserve_flow_event();
	if (!event)
		return 0;
	key_connection(&key, door->ifindex, door->heading, packet);
	event->time = door->now;
	event->packets = 1;
	event->bytes = door->skb->len;
	event->ifindex = door->ifindex;
	event->subject = door->endpoint.identity;
	event->peer = identity_of(key.remote_address);
	if (event->peer == IDENTITY_HOST && door->heading == INGRESS && is_identity_mark(door->skb->mark))
		event->peer = marked_identity(door->skb->mark);
	copy_address(event->local_address, key.local_address);
	copy_address(event->remote_address, key.remote_address);
	event->local_port = key.local_port;
	event->remote_port = key.remote_port;
	event->slot = door->slot;
	event->protocol = key.protocol;
	event->icmp_type = packet->layer4.icmp_type;
	event->has_icmp_type = packet->layer4.has_icmp_type;
	event->direction = door->heading;
	event->kind = is_drop(outcome) ? PACKET_DROPPED : PACKET_AUDITED;
	event->outcome = outcome;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
