/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef JUDGE_H
#define JUDGE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "connections.h"
#include "endpoint.h"
#include "identity.h"
#include "packet.h"
#include "verdict.h"

/* Where a packet is seen, and by what it is judged. */
struct door {
	struct __sk_buff *skb;
	const struct configuration *configuration;
	struct endpoint endpoint;
	struct subject subject;
	__u64 now;
	__u32 ifindex;
	/* Which way the packet goes. */
	enum direction heading;
	/* Whether the agent has said something of the identity. */
	bool has_subject;
};

static __always_inline enum direction opposite(enum direction direction)
{
	return direction == INGRESS ? EGRESS : INGRESS;
}

/*
 * Finds out who the peer is: whoever has its address. Where that is this node, it may be the address of somebody who was masqueraded, and
 * is known by the mark of packets towards the pod; `may_be_marked`: this is one, of the peer itself. Later packets of the connection may
 * go the other way, so it is remembered.
 */
static __always_inline void find_peer(const struct door *door, const struct connection_key *key, bool may_be_marked,
				      struct connection *connection)
{
	__u32 identity = identity_of(key->remote_address);

	if (connection->opened != INGRESS || identity != IDENTITY_HOST) {
		connection->peer = identity;
		connection->is_peer_marked = 0;
	} else if (may_be_marked && is_identity_mark(door->skb->mark)) {
		connection->peer = marked_identity(door->skb->mark);
		connection->is_peer_marked = 1;
	} else if (!connection->is_peer_marked) {
		connection->peer = identity;
	}
}

/* Asks the verdicts whether a connection may be. */
static __noinline int judge_connection(const struct door *door, const struct connection_key *key, bool may_be_marked,
				       struct connection *connection)
{
	const struct subject *subject = &door->subject;
	struct attempt attempt = { .protocol = key->protocol, .port = connection->port, .direction = connection->opened };

	find_peer(door, key, may_be_marked, connection);
	attempt.peer = connection->peer;
	connection->judged = door->now;
	if (!door->has_subject)
		connection->outcome = DROPPED_NO_POLICY;
	else if (attempt.direction == EGRESS && is_untranslated(subject, key->remote_address, key->remote_port, key->protocol))
		connection->outcome = DROPPED_SERVICE;
	else
		connection->outcome = judge_attempt(subject, &attempt);
	return 0;
}

/* Whether nothing has changed since that was judged. What changes is written first, and its time then. */
static __always_inline bool stands(const struct door *door, const struct connection *connection)
{
	__u64 judged = connection->judged;

	return door->has_subject && judged > door->subject.changed && judged > door->endpoint.changed &&
	       judged > door->configuration->addresses_changed;
}

static __always_inline void judge_again(const struct door *door, const struct connection_key *key, bool may_be_marked,
					struct connection *connection)
{
	/* One that others see at the same time is changed as a whole, as far as it matters. */
	struct connection judged = {
		.opened = connection->opened,
		.port = connection->port,
		.peer = connection->peer,
		.is_peer_marked = connection->is_peer_marked,
	};

	judge_connection(door, key, may_be_marked, &judged);
	connection->peer = judged.peer;
	connection->is_peer_marked = judged.is_peer_marked;
	connection->outcome = judged.outcome;
	connection->judged = judged.judged;
}

/* RFC 9293, as far as it matters how long a connection is remembered. */
static __always_inline void follow_tcp(struct connection *connection, enum direction heading, __u8 flags)
{
	if (flags & TCP_FIN)
		connection->fins |= FIN_OF(heading);
	if (flags & TCP_RST)
		connection->is_reset = 1;
}

static __always_inline void note_packet(const struct door *door, const struct connection_key *key, const struct packet *packet,
					struct connection *connection)
{
	bool was_closing = is_closing(connection);

	connection->last_seen = door->now;
	__sync_fetch_and_add(&connection->packets, 1);
	__sync_fetch_and_add(&connection->bytes, door->skb->len);
	if (door->heading != connection->opened)
		connection->is_answered = 1;
	if (packet->protocol != IPPROTO_TCP)
		return;
	follow_tcp(connection, door->heading, packet->layer4.tcp_flags);
	if (!was_closing && is_closing(connection) && door->configuration->monitor >= MONITOR_CONNECTIONS)
		tell_connection(key, connection, door->endpoint.identity, CONNECTION_ENDED, door->now);
}

static __always_inline bool opens_tcp(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP && (packet->layer4.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* TCP without an entry that does not open anything was open before: it is judged as of whichever side may have opened it. */
static __always_inline void judge_unknown(const struct door *door, const struct connection_key *key, const struct packet *packet,
					  struct connection *connection)
{
	__u8 flags = packet->layer4.tcp_flags;
	bool is_tcp = packet->protocol == IPPROTO_TCP && !opens_tcp(packet);
	bool is_acceptance = is_tcp && (flags & TCP_SYN);
	enum outcome outcome;

	if (!is_acceptance) {
		connection->opened = door->heading;
		connection->port = port_wanted(key, connection->opened, packet);
		judge_connection(door, key, door->heading == INGRESS, connection);
		if (!is_tcp || !is_drop(connection->outcome))
			return;
	}
	outcome = connection->outcome;
	connection->opened = opposite(door->heading);
	connection->port = port_wanted(key, connection->opened, packet);
	judge_connection(door, key, door->heading == INGRESS, connection);
	if (!is_acceptance && is_drop(connection->outcome))
		connection->outcome = outcome;
}

static __always_inline enum outcome begin_connection(const struct door *door, const struct connection_key *key, const struct packet *packet,
						     struct connection *old)
{
	struct connection connection = { .begun = door->now, .last_seen = door->now, .packets = 1, .bytes = door->skb->len };
	bool is_told = door->configuration->monitor >= MONITOR_CONNECTIONS;

	judge_unknown(door, key, packet, &connection);
	if (is_drop(connection.outcome))
		return connection.outcome;
	/* Nothing answers to those. */
	if (is_icmp(packet) && !is_echo(packet))
		return connection.outcome;
	connection.is_answered = connection.opened != door->heading;
	follow_tcp(&connection, door->heading, packet->layer4.tcp_flags);
	if (old && is_told && !is_drop(old->outcome) && !is_closing(old))
		tell_connection(key, old, door->endpoint.identity, CONNECTION_ENDED, door->now);
	bpf_map_update_elem(&connections, key, &connection, BPF_ANY);
	if (is_told)
		tell_connection(key, &connection, door->endpoint.identity, CONNECTION_BEGUN, door->now);
	return connection.outcome;
}

/* A segment that opens a connection belongs to one that is known only if it is sent again. */
static __always_inline bool belongs(const struct door *door, const struct packet *packet, const struct connection *connection)
{
	if (is_over(connection, packet->protocol, door->now))
		return false;
	return !opens_tcp(packet) || (connection->opened == door->heading && !connection->is_answered);
}

static __noinline int judge_packet(const struct door *door, const struct packet *packet)
{
	struct connection_key key = {};
	struct connection *connection;

	key_connection(&key, door->ifindex, door->heading, packet);
	connection = bpf_map_lookup_elem(&connections, &key);
	if (!connection || !belongs(door, packet, connection))
		return begin_connection(door, &key, packet, connection);
	if (!stands(door, connection))
		judge_again(door, &key, door->heading == INGRESS, connection);
	if (!is_drop(connection->outcome)) {
		note_packet(door, &key, packet, connection);
		return connection->opened == door->heading ? PASSED_KNOWN : PASSED_REPLY;
	}
	/* Without an order of opening, what comes from the other side may be the first of something else. */
	if (packet->protocol != IPPROTO_TCP && connection->opened != door->heading)
		return begin_connection(door, &key, packet, connection);
	connection->last_seen = door->now;
	return connection->outcome;
}

/* An ICMP error is about the packet that it quotes, which went the other way. PASSED_UNJUDGED: it is about none that is known. */
static __noinline int judge_error(const struct door *door, const struct packet *packet)
{
	struct packet quoted = {};
	struct connection_key key = {};
	struct connection *connection;
	__u32 at = packet->layer4_at + sizeof(struct icmp_header);

	if (is_drop(parse_packet(door->skb, &quoted, at, QUOTED)) || quoted.fragment == LATER_FRAGMENT)
		return PASSED_UNJUDGED;
	if (quoted.is_ipv6 != packet->is_ipv6)
		return PASSED_UNJUDGED;
	/* It is for whoever sent that: what is known must not be a way to others. */
	if (!equals(packet->destination, quoted.source))
		return PASSED_UNJUDGED;
	key_connection(&key, door->ifindex, opposite(door->heading), &quoted);
	connection = bpf_map_lookup_elem(&connections, &key);
	if (!connection || is_over(connection, key.protocol, door->now))
		return PASSED_UNJUDGED;
	if (!stands(door, connection))
		judge_again(door, &key, false, connection);
	return is_drop(connection->outcome) ? connection->outcome : PASSED_RELATED;
}

#endif
