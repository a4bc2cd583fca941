/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef JUDGE_H
#define JUDGE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "connections.h"
#include "endpoint.h"
#include "identity.h"
#include "packet.h"
#include "proxy-sockets.h"
#include "taken-for-clients.h"
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
	/* Of what is steered: to whom, by the port of the listener; 0: to a socket by which Envoy opened the connection. */
	__u16 slot;
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
	} else if (may_be_marked && is_ingress(door->skb->mark)) {
		connection->peer = IDENTITY_INGRESS;
		connection->is_peer_marked = 1;
	} else if (may_be_marked && is_for_client(door->skb->mark)) {
		/* Somebody took the client's address away. It is not the node's own, which may do anything. */
		connection->peer = IDENTITY_UNKNOWN;
		connection->is_peer_marked = 1;
	} else if (!connection->is_peer_marked) {
		connection->peer = identity;
	}
}

/* What is so because of what policy says, or of who is to ask further. */
static __always_inline bool is_denial(enum outcome outcome)
{
	return outcome == DROPPED_DENIED || outcome == DROPPED_NOT_ALLOWED || outcome == DROPPED_SLOT || outcome == DROPPED_SERVICE;
}

/*
 * Whether a listener takes it. Then no verdict is asked: the address is nobody's, and who may reach whom is asked of the connection that Envoy opens. It goes
 * to the listener or nowhere, also where policy is only to be told of. Neither static nor inline, as parse_packet.
 */
__noinline int take(const struct connection_key *key, __u32 identity, struct connection *connection)
{
	struct service_address wanted = {};
	struct configuration *found;
	__u32 only = 0;
	int port;

	if (!key || !connection)
		return false;
	copy_address(wanted.address, key->remote_address);
	wanted.port = key->remote_port;
	wanted.protocol = key->protocol;
	if (connection->opened != EGRESS || wanted.protocol != IPPROTO_TCP)
		return false;
	port = taken_from(&wanted, identity);
	found = bpf_map_lookup_elem(&configuration, &only);
	if (port == NOT_TAKEN)
		return false;
	connection->is_taken = 1;
	connection->slot = port;
	connection->outcome = port && found && found->judges_sockets ? PASSED_STEERED : DROPPED_LISTENER;
	return true;
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
	if (door->has_subject && door->configuration->takes_services && take(key, door->endpoint.identity, connection))
		return 0;
	if (!door->has_subject)
		connection->outcome = DROPPED_NO_POLICY;
	else if (attempt.direction == EGRESS && is_untranslated(subject, key->remote_address, key->remote_port, key->protocol))
		connection->outcome = DROPPED_SERVICE;
	else
		connection->outcome = judge_attempt(subject, &attempt);
	if (subject->audits && is_denial(connection->outcome))
		connection->outcome = PASSED_AUDITED;
	connection->slot = attempt.slot;
	return 0;
}

/* Whether nothing has changed since that was judged. What changes is written first, and its time then. */
static __always_inline bool stands(const struct door *door, const struct connection *connection)
{
	__u64 judged = connection->judged;

	return door->has_subject && judged > door->subject.changed && judged > door->endpoint.changed &&
	       judged > door->configuration->changed;
}

static __always_inline void judge_again(const struct door *door, const struct connection_key *key, bool may_be_marked,
					struct connection *connection)
{
	/* Envoy has it, and ends it when the listener goes. */
	if (connection->is_taken && connection->outcome == PASSED_STEERED && connection->is_answered && door->has_subject) {
		connection->judged = door->now;
		return;
	}
	/* One that others see at the same time is changed as a whole, as far as it matters. */
	struct connection judged = {
		.opened = connection->opened,
		.port = connection->port,
		.peer = connection->peer,
		.is_peer_marked = connection->is_peer_marked,
	};

	judge_connection(door, key, may_be_marked, &judged);
	if (!is_drop(connection->outcome) && connection->outcome != PASSED_STEERED)
		connection->is_severed = judged.outcome == PASSED_STEERED;
	connection->is_taken = judged.is_taken;
	connection->slot = judged.slot;
	connection->peer = judged.peer;
	connection->is_peer_marked = judged.is_peer_marked;
	connection->outcome = judged.outcome;
	connection->judged = judged.judged;
}

/* What Envoy answers to who opened it is not seen at the door of the pod that it was opened to. */
static __always_inline bool has_unseen_answers(const struct connection *connection)
{
	return connection->outcome == PASSED_STEERED && connection->opened == INGRESS;
}

/* RFC 9293, as far as it matters how long a connection is remembered. */
static __always_inline void follow_tcp(struct connection *connection, enum direction heading, __u8 flags)
{
	if (has_unseen_answers(connection) && (flags & TCP_ACK))
		connection->is_answered = 1;
	if (flags & TCP_FIN)
		connection->fins |= has_unseen_answers(connection) ? FINS_OF_BOTH : FIN_OF(heading);
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

/*
 * TCP without an entry that does not open anything was open before: it is judged as of whichever side may have opened it, and where rules of
 * layer 7 decide of the one, by these. Envoy's own says which side it was.
 */
static __always_inline void judge_unknown(const struct door *door, const struct connection_key *key, const struct packet *packet,
					  struct connection *connection)
{
	__u32 kind = door->heading == INGRESS ? kind_of_mark(door->skb->mark) : 0;
	bool is_tcp = packet->protocol == IPPROTO_TCP && !opens_tcp(packet) && !is_opener(kind);
	bool is_acceptance = is_tcp && ((packet->layer4.tcp_flags & TCP_SYN) || kind == MARK_EGRESS_LISTENER);
	struct connection other = {};

	if (!is_acceptance) {
		connection->opened = door->heading;
		connection->port = port_wanted(key, connection->opened, packet);
		judge_connection(door, key, door->heading == INGRESS, connection);
		if (!is_tcp || connection->outcome == PASSED_STEERED || connection->is_taken)
			return;
	}
	other.opened = opposite(door->heading);
	other.port = port_wanted(key, other.opened, packet);
	judge_connection(door, key, door->heading == INGRESS, &other);
	if (!is_acceptance && !is_drop(connection->outcome) && other.outcome != PASSED_STEERED)
		return;
	if (is_acceptance || !is_drop(other.outcome))
		connection->outcome = other.outcome;
	connection->opened = other.opened;
	connection->port = other.port;
	connection->peer = other.peer;
	connection->is_peer_marked = other.is_peer_marked;
	connection->judged = other.judged;
	connection->slot = other.slot;
	connection->is_taken = other.is_taken;
	connection->is_severed = !is_acceptance && other.outcome == PASSED_STEERED;
}

/*
 * What becomes of a packet of a connection on which Envoy decides. Only Envoy answers to who opened it, and only Envoy, by the same slot,
 * gets to whom it was opened to. Of one that was open before, answers pass: who waits for one hears of the end by the reset to his
 * acknowledgement; a reset passes to the other side, once. So does one of what Envoy opened by a slot that does not hold any more, or the
 * pod would keep its end. `otherwise` is for what passes.
 */
static __always_inline enum outcome judge_steered(struct door *door, const struct packet *packet, const struct connection *connection,
						  enum outcome otherwise)
{
	__u32 mark = door->skb->mark;
	bool is_answer = connection->opened != door->heading;
	bool is_first_reset = (packet->layer4.tcp_flags & TCP_RST) && !connection->is_reset;

	if (connection->is_severed && (is_answer || is_first_reset))
		return otherwise;
	door->slot = connection->slot;
	if (door->heading == EGRESS) {
		if (connection->is_taken && door->configuration->steer_ifindex == 0)
			return DROPPED_LISTENER;
		/* Who answers Envoy does so to a connection that Envoy opened. */
		if (is_answer)
			door->slot = 0;
		return PASSED_STEERED;
	}
	if (is_answer)
		return kind_of_mark(mark) == MARK_EGRESS_LISTENER ? otherwise : DROPPED_BESIDE_PROXY;
	if (kind_of_mark(mark) != MARK_INGRESS_UPSTREAM)
		return PASSED_STEERED;
	if (slot_of_mark(mark_of_origin(door->skb)) != connection->slot && !is_first_reset)
		return DROPPED_OTHER_SLOT;
	return otherwise;
}

static __always_inline enum outcome begin_connection(struct door *door, const struct connection_key *key, const struct packet *packet,
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
	if (connection.outcome == PASSED_STEERED)
		return judge_steered(door, packet, &connection, connection.opened == door->heading ? PASSED_ALLOWED : PASSED_REPLY);
	return connection.outcome;
}

/* A segment that opens a connection belongs to one that is known only if it is sent again. */
static __always_inline bool belongs(const struct door *door, const struct packet *packet, const struct connection *connection)
{
	if (is_over(connection, packet->protocol, door->now))
		return false;
	return !opens_tcp(packet) || (connection->opened == door->heading && !connection->is_answered);
}

static __noinline int judge_packet(struct door *door, const struct packet *packet)
{
	struct connection_key key = {};
	struct connection *connection;
	enum outcome outcome;
	bool has_stood;

	key_connection(&key, door->ifindex, door->heading, packet);
	connection = bpf_map_lookup_elem(&connections, &key);
	if (!connection || !belongs(door, packet, connection))
		return begin_connection(door, &key, packet, connection);
	has_stood = stands(door, connection);
	if (!has_stood)
		judge_again(door, &key, door->heading == INGRESS, connection);
	if (!is_drop(connection->outcome)) {
		outcome = connection->opened == door->heading ? PASSED_KNOWN : PASSED_REPLY;
		if (connection->outcome == PASSED_AUDITED && !has_stood)
			outcome = PASSED_AUDITED;
		if (connection->outcome == PASSED_STEERED)
			outcome = judge_steered(door, packet, connection, outcome);
		if (!is_drop(outcome))
			note_packet(door, &key, packet, connection);
		return outcome;
	}
	/* Without an order of opening, what comes from the other side may be the first of something else. */
	if (packet->protocol != IPPROTO_TCP && connection->opened != door->heading)
		return begin_connection(door, &key, packet, connection);
	connection->last_seen = door->now;
	return connection->outcome;
}

/* Whether what an ICMP error quotes was sent by Envoy, with the address of a pod: of a connection that it opened, or that it has. */
static __always_inline bool is_sent_by_proxy(const struct door *door, const struct packet *quoted, bool is_steered)
{
	bool may_be_upstream =
		quoted->layer4.source_port >= FIRST_UPSTREAM_PORT || has_ingress_address(door->configuration, &door->endpoint);
	__u32 mark;

	if (quoted->protocol != IPPROTO_TCP || (!may_be_upstream && !is_steered))
		return false;
	mark = mark_of_sender(door->skb, quoted);
	return is_opener(mark) || (is_steered && is_downstream(mark));
}

/* An ICMP error is about the packet that it quotes, which went the other way. PASSED_UNJUDGED: it is about none that is known. */
static __noinline int judge_error(struct door *door, const struct packet *packet)
{
	struct packet quoted = {};
	struct connection_key key = {};
	struct connection *connection;
	enum outcome outcome = PASSED_UNJUDGED;
	bool is_steered = false;
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
	if (connection && !is_over(connection, key.protocol, door->now)) {
		if (!stands(door, connection))
			judge_again(door, &key, false, connection);
		if (is_drop(connection->outcome))
			return connection->outcome;
		is_steered = connection->outcome == PASSED_STEERED;
		outcome = PASSED_RELATED;
	}
	if (!door->has_subject || !is_sent_by_proxy(door, &quoted, is_steered))
		return outcome;
	door->slot = 0;
	return PASSED_STEERED;
}

#endif
