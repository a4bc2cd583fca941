/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "flow-events.h"
#include "packet.h"

/* Times since the last packet after which a connection is over, in seconds. Those of TCP are Cilium's. */
#define TCP_OPENING_SECONDS 60
#define TCP_OPEN_SECONDS 8000
#define TCP_CLOSING_SECONDS 10
#define OTHER_OPENING_SECONDS 60
#define OTHER_OPEN_SECONDS 120

/*
 * A connection as one endpoint sees it, the same for packets of either way. Of an echo, the identifier stands at the side that asks.
 * Between two pods of a node there are two, each judged for its own subject.
 */
struct connection_key {
	ADDRESS(local_address);
	ADDRESS(remote_address);
	__u32 ifindex;
	__u16 local_port;
	__u16 remote_port;
	__u8 protocol;
	__u8 pad[3];
};

struct connection {
	__u64 begun;
	__u64 last_seen;
	/* When verdicts were asked: what changed later has not been heard. */
	__u64 judged;
	__u64 packets;
	__u64 bytes;
	/* Whom verdicts were asked about. */
	__u32 peer;
	/* Where they were asked about, or the type of ICMP. */
	__u16 port;
	/* Who opened it. */
	enum direction opened;
	/* What they said. A connection that may not be is kept as that, so that its packets do not look like the first of another. */
	enum outcome outcome;
	__u8 is_answered;
	__u8 fins;
	__u8 is_reset;
	/* The peer was read from a mark, and is not to be known by the address. */
	__u8 is_peer_marked;
	/* The port of the slot that decides, or of the listener that takes it; 0: there is none. */
	__u16 slot;
	/* It was open between the two themselves when the slot became its. */
	__u8 is_severed;
	/* To a Service that a listener takes, whose port stands in the place of the slot's. */
	__u8 is_taken;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct connection_key);
	__type(value, struct connection);
} connections SEC(".maps");

#define FIN_OF(heading) (1 << (heading))
#define FINS_OF_BOTH (FIN_OF(INGRESS) | FIN_OF(EGRESS))

static __always_inline bool is_closing(const struct connection *connection)
{
	return connection->is_reset || connection->fins == FINS_OF_BOTH;
}

static __always_inline bool is_over(const struct connection *connection, __u8 protocol, __u64 now)
{
	__u64 seconds = connection->is_answered ? OTHER_OPEN_SECONDS : OTHER_OPENING_SECONDS;

	if (protocol == IPPROTO_TCP) {
		seconds = connection->is_answered ? TCP_OPEN_SECONDS : TCP_OPENING_SECONDS;
		if (is_closing(connection))
			seconds = TCP_CLOSING_SECONDS;
	}
	return now > connection->last_seen + seconds * NANOSECONDS;
}

/* Fills in a zero key; `heading` is the packet's. */
static __always_inline void key_connection(struct connection_key *key, __u32 ifindex, enum direction heading, const struct packet *packet)
{
	const struct layer4 *layer4 = &packet->layer4;
	bool is_local_source = heading == EGRESS;

	copy_address(key->local_address, is_local_source ? packet->source : packet->destination);
	copy_address(key->remote_address, is_local_source ? packet->destination : packet->source);
	key->ifindex = ifindex;
	key->protocol = packet->protocol;
	if (is_echo(packet)) {
		bool is_request = layer4->icmp_type == ICMP_ECHO_REQUEST || layer4->icmp_type == ICMPV6_ECHO_REQUEST;

		if (is_request == is_local_source)
			key->local_port = layer4->source_port;
		else
			key->remote_port = layer4->source_port;
		return;
	}
	key->local_port = is_local_source ? layer4->source_port : layer4->destination_port;
	key->remote_port = is_local_source ? layer4->destination_port : layer4->source_port;
}

/* Where the opener wants to get to, as verdicts have it. */
static __always_inline __u16 port_wanted(const struct connection_key *key, enum direction opened, const struct packet *packet)
{
	if (is_echo(packet))
		return packet->is_ipv6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO_REQUEST;
	if (is_icmp(packet))
		return packet->layer4.icmp_type;
	return opened == EGRESS ? key->remote_port : key->local_port;
}

/* Messages of ICMP are of the family whose they are; in the other's packets they are read by nobody. */
static __always_inline bool has_icmp_type(const struct connection_key *key)
{
	return key->protocol == (is_ipv4(key->local_address) ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline void tell_connection(const struct connection_key *key, const struct connection *connection, __u32 subject,
					    enum flow_event_kind kind, __u64 now)
{
	struct flow_event *event = reserve_flow_event();

	if (!event)
		return;
	event->time = now;
	event->packets = connection->packets;
	event->bytes = connection->bytes;
	event->ifindex = key->ifindex;
	event->subject = subject;
	event->peer = connection->peer;
	copy_address(event->local_address, key->local_address);
	copy_address(event->remote_address, key->remote_address);
	event->local_port = key->local_port;
	event->remote_port = key->remote_port;
	event->slot = connection->slot;
	event->protocol = key->protocol;
	event->has_icmp_type = has_icmp_type(key);
	event->icmp_type = event->has_icmp_type ? connection->port : 0;
	event->direction = connection->opened;
	event->kind = kind;
	event->outcome = connection->outcome;
	bpf_ringbuf_submit(event, 0);
}

#endif
