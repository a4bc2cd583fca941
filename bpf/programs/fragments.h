/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef FRAGMENTS_H
#define FRAGMENTS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"

/* Only the first fragment has ports, so the others are known by what they have in common with it. */
struct fragment_key {
	ADDRESS(source);
	ADDRESS(destination);
	__u32 ifindex;
	__u32 id;
	/* Of IPv4. That of IPv6 need not be the same in all fragments, and does not tell datagrams apart (RFC 8200, section 4.5). */
	__u8 protocol;
	enum direction heading;
	__u16 pad;
};

struct fragmented {
	__u64 seen;
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 icmp_type;
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fragment_key);
	__type(value, struct fragmented);
} fragments SEC(".maps");

/* As long as the kernel waits for the rest of a datagram. */
#define FRAGMENT_NANOSECONDS (30 * 1000000000ULL)

static __always_inline void key_fragment(struct fragment_key *key, __u32 ifindex, enum direction heading, const struct packet *packet)
{
	copy_address(key->source, packet->source);
	copy_address(key->destination, packet->destination);
	key->ifindex = ifindex;
	key->id = packet->fragment_id;
	key->protocol = packet->is_ipv6 ? 0 : packet->protocol;
	key->heading = heading;
}

static __always_inline void remember_fragment(__u32 ifindex, enum direction heading, const struct packet *packet, __u64 now)
{
	struct fragment_key key = {};
	struct fragmented fragmented = {
		.seen = now,
		.source_port = packet->layer4.source_port,
		.destination_port = packet->layer4.destination_port,
		.protocol = packet->protocol,
		.icmp_type = packet->layer4.icmp_type,
	};

	key_fragment(&key, ifindex, heading, packet);
	bpf_map_update_elem(&fragments, &key, &fragmented, BPF_ANY);
}

/* Gives a later fragment the ports of its datagram. The flags of its TCP are not known, so it opens and closes nothing. */
static __always_inline bool recall_fragment(__u32 ifindex, enum direction heading, struct packet *packet, __u64 now)
{
	struct fragment_key key = {};
	struct fragmented *fragmented;

	key_fragment(&key, ifindex, heading, packet);
	fragmented = bpf_map_lookup_elem(&fragments, &key);
	if (!fragmented || now > fragmented->seen + FRAGMENT_NANOSECONDS)
		return false;
	packet->protocol = fragmented->protocol;
	packet->layer4.source_port = fragmented->source_port;
	packet->layer4.destination_port = fragmented->destination_port;
	packet->layer4.icmp_type = fragmented->icmp_type;
	packet->layer4.has_icmp_type = is_icmp(packet);
	return true;
}

#endif
