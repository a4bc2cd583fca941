/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef LINK_H
#define LINK_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/stddef.h>
#include <bpf/bpf_helpers.h>

#include "endpoint.h"
#include "identity.h"
#include "packet.h"

#define ARP_ETHERNET 1
#define GROUP_HOP_LIMIT 1
/* RFC 4291, section 2.7 */
#define MULTICAST_OF_LINK 2

/* RFC 826, for Ethernet and IPv4. */
struct arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_hardware[ETH_ALEN];
	__u8 sender[4];
	__u8 target_hardware[ETH_ALEN];
	__u8 target[4];
} __attribute__((packed));

/*
 * Devices of tunnels may have no Ethernet, and what they bring gets to one that has by a header alone. Where a packet has none, it begins with its network
 * header.
 */
static __always_inline bool has_link_header(struct __sk_buff *skb)
{
	__u32 from_link[5], from_network[5];

	if (bpf_skb_load_bytes_relative(skb, 0, from_link, sizeof(from_link), BPF_HDR_START_MAC) ||
	    bpf_skb_load_bytes_relative(skb, 0, from_network, sizeof(from_network), BPF_HDR_START_NET))
		return true;
	for (int i = 0; i < 5; i++)
		if (from_link[i] != from_network[i])
			return true;
	return false;
}

static __always_inline bool ensure_link_header(struct __sk_buff *skb)
{
	__be16 protocol = skb->protocol;

	if (has_link_header(skb))
		return true;
	return !bpf_skb_change_head(skb, ETH_HLEN, 0) &&
	       !bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &protocol, sizeof(protocol), 0);
}

/* What a pod may say by ARP: only who it is itself. A probe (RFC 5227) has no sender, and is about who would like to be its target. */
static __always_inline enum outcome judge_arp_of_pod(struct __sk_buff *skb, __u32 ifindex)
{
	struct arp arp;
	__be32 claimed;
	ADDRESS(address);

	if (!load(skb, 0, &arp, sizeof(arp)))
		return DROPPED_TRUNCATED;
	if (arp.hardware != bpf_htons(ARP_ETHERNET) || arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_length != ETH_ALEN ||
	    arp.protocol_length != sizeof(claimed))
		return DROPPED_MALFORMED;
	__builtin_memcpy(&claimed, arp.sender, sizeof(claimed));
	if (claimed == 0)
		__builtin_memcpy(&claimed, arp.target, sizeof(claimed));
	map_ipv4(address, claimed);
	return is_own_address(ifindex, address) ? PASSED_LINK : DROPPED_SPOOFED_ARP;
}

static __always_inline bool is_neighbour_discovery(const struct packet *packet)
{
	__u8 type = packet->layer4.icmp_type;

	return packet->is_ipv6 && packet->protocol == IPPROTO_ICMPV6 && type >= ND_ROUTER_SOLICITATION && type <= ND_REDIRECT;
}

/*
 * Who is in which group, which is told to the link and no further: RFC 2236, section 2; RFC 3810, section 5. What a router would take further, or
 * is for somebody alone, is judged as all else.
 */
static __always_inline bool is_group_membership(const struct packet *packet)
{
	__u8 type = packet->layer4.icmp_type;

	if (packet->hop_limit != GROUP_HOP_LIMIT || !is_multicast(packet->destination))
		return false;
	if (!packet->is_ipv6)
		return packet->protocol == IPPROTO_IGMP;
	return packet->protocol == IPPROTO_ICMPV6 && ((type >= MLD_QUERY && type <= MLD_DONE) || type == MLD2_REPORT);
}

/* Whoever is on a link chooses a link-local address himself, but none of the node's: it is the others' way out. */
static __always_inline bool is_own_on_link(__u32 ifindex, const __u8 *address)
{
	if (is_link_local(address))
		return identity_of(address) != IDENTITY_HOST;
	return is_own_address(ifindex, address);
}

/*
 * Whether neighbour discovery of a pod may be for an address of IPv6: the link's own, or somebody's of the cluster. It bears a load, and what is for
 * the rest of the world a router takes there, so that is judged.
 */
static __always_inline bool is_for_neighbours(const __u8 *address)
{
	if (address[0] == 0xff)
		return (address[1] & 0xf) == MULTICAST_OF_LINK;
	return is_link_local(address) || is_of_cluster(identity_of(address));
}

/* Whether a message of neighbour discovery is about an address of the pod. */
static __always_inline enum outcome judge_target(struct __sk_buff *skb, __u32 ifindex, const struct packet *packet)
{
	ADDRESS(target);

	if (!load(skb, packet->layer4_at + sizeof(struct icmp_header), target, sizeof(target)))
		return DROPPED_TRUNCATED;
	return is_own_on_link(ifindex, target) ? PASSED_LINK : DROPPED_SPOOFED_NEIGHBOUR;
}

/*
 * RFC 4861; in a solicitation that looks for duplicates the source is :: (RFC 4862), and who looks for those of others keeps them from having
 * their addresses. PASSED_UNJUDGED: it is nothing of the link.
 */
static __always_inline enum outcome judge_link_of_pod(struct __sk_buff *skb, __u32 ifindex, const struct packet *packet)
{
	bool is_group = is_group_membership(packet);
	bool is_own_source;

	/* Most packets are neither, and need no look at the tables for that. */
	if (!is_group && !is_neighbour_discovery(packet))
		return PASSED_UNJUDGED;
	is_own_source = is_own_on_link(ifindex, packet->source);
	if (is_group)
		return is_own_source || is_unspecified_ipv6(packet->source) ? PASSED_LINK : DROPPED_SPOOFED;
	if (packet->hop_limit != ND_HOP_LIMIT)
		return DROPPED_MALFORMED;
	if (!is_for_neighbours(packet->destination))
		return PASSED_UNJUDGED;
	switch (packet->layer4.icmp_type) {
	case ND_ROUTER_SOLICITATION:
		return is_own_source || is_unspecified_ipv6(packet->source) ? PASSED_LINK : DROPPED_SPOOFED_NEIGHBOUR;
	case ND_NEIGHBOUR_SOLICITATION:
		if (is_unspecified_ipv6(packet->source))
			return judge_target(skb, ifindex, packet);
		return is_own_source ? PASSED_LINK : DROPPED_SPOOFED_NEIGHBOUR;
	case ND_NEIGHBOUR_ADVERTISEMENT:
		return is_own_source ? judge_target(skb, ifindex, packet) : DROPPED_SPOOFED_NEIGHBOUR;
	default:
		return DROPPED_ROUTER;
	}
}

/* PASSED_UNJUDGED: it is nothing of the link. */
static __always_inline enum outcome judge_link_to_pod(const struct packet *packet)
{
	if (is_group_membership(packet))
		return PASSED_LINK;
	if (!is_neighbour_discovery(packet))
		return PASSED_UNJUDGED;
	return packet->hop_limit == ND_HOP_LIMIT ? PASSED_LINK : DROPPED_MALFORMED;
}

#endif
