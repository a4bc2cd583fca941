/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef FROM_OUTSIDE_H
#define FROM_OUTSIDE_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "endpoint.h"
#include "identity.h"
#include "opened.h"
#include "outcome.h"
#include "packet.h"
#include "proxy.h"
#include "proxy-sockets.h"
#include "taken-services.h"

/*
 * What comes in from other hosts and asks a Service that a listener takes, by a node port or the address of a load balancer: see
 * docs/decisions/envoy-config.md.
 */

/* Who has asked so: only for these Envoy opens anything, with the node's ingress address. The value says nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct address_key);
	__type(value, __u8);
} outside_clients SEC(".maps");

struct outside_connection {
	ADDRESS(client);
	ADDRESS(wanted);
	__u16 client_port;
	__u16 wanted_port;
};

/* Which listener has it, by its port: also when another takes the Service, or none does. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct outside_connection);
	__type(value, __u32);
} outside_connections SEC(".maps");

/* Fills in a zero key, from a packet of the client's. */
static __always_inline void key_outside(struct outside_connection *key, const struct packet *packet)
{
	copy_address(key->client, packet->source);
	copy_address(key->wanted, packet->destination);
	key->client_port = packet->layer4.source_port;
	key->wanted_port = packet->layer4.destination_port;
}

static __always_inline void note_client(const __u8 *address)
{
	struct address_key key = {};
	__u8 nothing = 0;

	copy_address(key.address, address);
	if (!bpf_map_lookup_elem(&outside_clients, &key))
		bpf_map_update_elem(&outside_clients, &key, &nothing, BPF_ANY);
}

static __always_inline bool has_asked_from_outside(const __u8 *address)
{
	struct address_key key = {};

	copy_address(key.address, address);
	return bpf_map_lookup_elem(&outside_clients, &key) != 0;
}

/* A pod's of this node, which comes by its own door. */
static __always_inline bool is_own_pods(const __u8 *address)
{
	struct address_key key = {};

	copy_address(key.address, address);
	return bpf_map_lookup_elem(&address_owners, &key) != 0;
}

/* As it is with clients of Ingresses, but that here nobody can ask for more of a request. */
static __always_inline enum outcome judge_asking_ingress(const struct configuration *configuration, const struct packet *packet)
{
	struct attempt attempt = {
		.peer = identity_of(packet->source),
		.protocol = IPPROTO_TCP,
		.port = packet->layer4.destination_port,
		.direction = INGRESS,
	};
	enum outcome outcome = judge_as(configuration->ingress_identity, &attempt);

	return outcome == PASSED_STEERED ? DROPPED_SLOT : outcome;
}

/* Of ICMP errors, which routers send about what a listener has sent. */
static __always_inline bool is_about_outside(struct __sk_buff *skb, const struct packet *packet)
{
	struct packet quoted = {};
	struct outside_connection key = {};

	if (is_drop(parse_packet(skb, &quoted, packet->layer4_at + sizeof(struct icmp_header), QUOTED)) || quoted.protocol != IPPROTO_TCP)
		return false;
	copy_address(key.client, quoted.destination);
	copy_address(key.wanted, quoted.source);
	key.client_port = quoted.layer4.destination_port;
	key.wanted_port = quoted.layer4.source_port;
	return bpf_map_lookup_elem(&outside_connections, &key) != 0;
}

/* Where it was forgotten whose a connection is, which is so where there are very many. */
static __always_inline int listener_of_socket(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 mark = mark_of_receiver(skb, packet);

	return kind_of_mark(mark) == MARK_EGRESS_LISTENER ? slot_of_mark(mark) : NOT_TAKEN;
}

/*
 * The listener that has the connection or is to have it, by its port; 0: none is there; or NOT_TAKEN. What is open stays with whoever has it. What opens
 * nothing begins no connection with anybody else, either.
 */
static __always_inline int listener_for_outside(struct __sk_buff *skb, const struct packet *packet)
{
	struct service_address wanted = { .port = packet->layer4.destination_port, .protocol = IPPROTO_TCP };
	struct outside_connection key = {};
	__u32 *has;
	int port;

	key_outside(&key, packet);
	copy_address(wanted.address, packet->destination);
	if (opens_tcp(packet)) {
		port = taken_from_outside(&wanted);
		if (port == NOT_TAKEN)
			bpf_map_delete_elem(&outside_connections, &key);
		return port;
	}
	has = bpf_map_lookup_elem(&outside_connections, &key);
	if (has)
		return *has;
	return taken_from_outside(&wanted) == NOT_TAKEN ? NOT_TAKEN : listener_of_socket(skb, packet);
}

static __always_inline void note_connection(const struct packet *packet, __u32 port)
{
	struct outside_connection key = {};

	key_outside(&key, packet);
	bpf_map_update_elem(&outside_connections, &key, &port, BPF_ANY);
	note_client(packet->source);
}

/* PASSED_STEERED: it is for the listener at `port`, 0 before, or for a socket that is found without. PASSED_MARKED: it is for nobody of these. */
static __noinline int judge_from_outside(struct __sk_buff *skb, const struct configuration *configuration, const struct packet *packet,
					 __u16 *port)
{
	enum outcome outcome;
	int listener;

	if (packet->fragment == LATER_FRAGMENT)
		return PASSED_MARKED;
	if (is_icmp_error(packet))
		return is_about_outside(skb, packet) ? PASSED_STEERED : PASSED_MARKED;
	if (packet->protocol != IPPROTO_TCP)
		return PASSED_MARKED;
	listener = listener_for_outside(skb, packet);
	if (listener == NOT_TAKEN)
		return PASSED_MARKED;
	/* A socket is found by the ports, which only the first fragment has. */
	if (packet->fragment != NO_FRAGMENT)
		return DROPPED_FRAGMENT;
	if (is_own_pods(packet->source))
		return DROPPED_SPOOFED;
	outcome = judge_asking_ingress(configuration, packet);
	if (is_drop(outcome))
		return outcome;
	if (listener == 0 || !configuration->judges_sockets || configuration->steer_ifindex == 0)
		return DROPPED_LISTENER;
	note_connection(packet, listener);
	*port = listener;
	return PASSED_STEERED;
}

#endif
