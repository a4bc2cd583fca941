/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PACKET_H
#define PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "outcome.h"

#define MAX_EXTENSION_HEADERS 8

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV6_MORE_FRAGMENTS 0x1
#define IPV6_FRAGMENT_OFFSET 0xfff8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_FLAGS_AT 13

/* RFC 792 */
#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_ECHO_REQUEST 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12

/* RFC 4443; errors are from the first to the last of these. */
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_PARAMETER_PROBLEM 4
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

/* Of both versions; identifier and sequence are those of an echo. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 identifier;
	__be16 sequence;
};

/* RFC 4861, 2710, 3810 */
#define MLD_QUERY 130
#define MLD_REPORT 131
#define MLD_DONE 132
#define ND_ROUTER_SOLICITATION 133
#define ND_ROUTER_ADVERTISEMENT 134
#define ND_NEIGHBOUR_SOLICITATION 135
#define ND_NEIGHBOUR_ADVERTISEMENT 136
#define ND_REDIRECT 137
#define MLD2_REPORT 143
#define ND_HOP_LIMIT 255

enum fragment {
	NO_FRAGMENT,
	FIRST_FRAGMENT,
	LATER_FRAGMENT,
};

/* Ports in host byte order. An echo's identifier stands for both of its ports. */
struct layer4 {
	__u16 source_port;
	__u16 destination_port;
	__u8 tcp_flags;
	__u8 icmp_type;
	/* 0 is a type, too. */
	__u8 has_icmp_type;
};

struct packet {
	ADDRESS(source);
	ADDRESS(destination);
	__u32 fragment_id;
	/* Of what follows the headers of IP, from the beginning of the network header. */
	__u32 layer4_at;
	struct layer4 layer4;
	__u8 protocol;
	__u8 fragment;
	__u8 hop_limit;
	bool is_ipv6;
};

/* Counted from the network header, so it is the same for every device; sees what is not in one piece, too. */
static __always_inline bool load(struct __sk_buff *skb, __u32 at, void *to, __u32 size)
{
	return bpf_skb_load_bytes_relative(skb, at, to, size, BPF_HDR_START_NET) == 0;
}

static __always_inline bool is_echo(const struct packet *packet)
{
	__u8 type = packet->layer4.icmp_type;

	if (packet->protocol == IPPROTO_ICMP)
		return type == ICMP_ECHO_REQUEST || type == ICMP_ECHO_REPLY;
	return packet->protocol == IPPROTO_ICMPV6 && (type == ICMPV6_ECHO_REQUEST || type == ICMPV6_ECHO_REPLY);
}

static __always_inline bool is_icmp(const struct packet *packet)
{
	return packet->protocol == (packet->is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static __always_inline bool opens_tcp(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP && (packet->layer4.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* One that tells of a packet, whose beginning it has in it. */
static __always_inline bool is_icmp_error(const struct packet *packet)
{
	__u8 type = packet->layer4.icmp_type;

	if (!is_icmp(packet))
		return false;
	if (packet->is_ipv6)
		return type >= ICMPV6_UNREACHABLE && type <= ICMPV6_PARAMETER_PROBLEM;
	return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
}

/* RFC 791, section 3.1: no option is longer than all of them may be. */
#define IPV4_OPTIONS_BYTES 40
#define IPV4_OPTION_END 0
#define IPV4_OPTION_NOTHING 1
#define IPV4_OPTION_LOOSE_ROUTE 131
#define IPV4_OPTION_STRICT_ROUTE 137

/* Routes that a packet asks for lead to others than its destination, as a routing header of IPv6 does. */
static __always_inline enum outcome parse_ipv4_options(struct __sk_buff *skb, __u32 at, __u32 end)
{
	__u8 option[2];

	for (int i = 0; i < IPV4_OPTIONS_BYTES; i++) {
		if (at >= end)
			return PASSED_KNOWN;
		if (!load(skb, at, option, 1))
			return DROPPED_TRUNCATED;
		if (option[0] == IPV4_OPTION_END)
			return PASSED_KNOWN;
		if (option[0] == IPV4_OPTION_LOOSE_ROUTE || option[0] == IPV4_OPTION_STRICT_ROUTE)
			return DROPPED_SOURCE_ROUTED;
		if (option[0] == IPV4_OPTION_NOTHING) {
			at += 1;
			continue;
		}
		if (!load(skb, at, option, sizeof(option)))
			return DROPPED_TRUNCATED;
		if (option[1] < sizeof(option) || at + option[1] > end)
			return DROPPED_MALFORMED;
		at += option[1];
	}
	return PASSED_KNOWN;
}

static __always_inline enum outcome parse_ipv4(struct __sk_buff *skb, __u32 at, struct packet *packet)
{
	struct iphdr ip;
	__u16 fragment;

	if (!load(skb, at, &ip, sizeof(ip)))
		return DROPPED_TRUNCATED;
	if (ip.version != 4 || ip.ihl < 5)
		return DROPPED_MALFORMED;
	map_ipv4(packet->source, ip.saddr);
	map_ipv4(packet->destination, ip.daddr);
	packet->is_ipv6 = false;
	packet->protocol = ip.protocol;
	packet->hop_limit = ip.ttl;
	packet->layer4_at = at + ip.ihl * 4;
	packet->fragment_id = ip.id;
	fragment = bpf_ntohs(ip.frag_off);
	if (fragment & IPV4_FRAGMENT_OFFSET)
		packet->fragment = LATER_FRAGMENT;
	else
		packet->fragment = fragment & IPV4_MORE_FRAGMENTS ? FIRST_FRAGMENT : NO_FRAGMENT;
	return parse_ipv4_options(skb, at + sizeof(ip), packet->layer4_at);
}

/* RFC 8200, section 4.5 */
struct ipv6_fragment {
	__u8 next_header;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

static __always_inline enum outcome parse_ipv6_fragment(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6_fragment header;
	__u16 offset;

	if (!load(skb, packet->layer4_at, &header, sizeof(header)))
		return DROPPED_TRUNCATED;
	offset = bpf_ntohs(header.offset);
	packet->fragment_id = header.id;
	if (offset & IPV6_FRAGMENT_OFFSET)
		packet->fragment = LATER_FRAGMENT;
	else
		packet->fragment = offset & IPV6_MORE_FRAGMENTS ? FIRST_FRAGMENT : NO_FRAGMENT;
	packet->protocol = header.next_header;
	packet->layer4_at += sizeof(header);
	return PASSED_KNOWN;
}

/* RFC 8200, section 4.4 */
struct ipv6_routing {
	__u8 next_header;
	__u8 length;
	__u8 type;
	__u8 segments_left;
};

/* Goes over one extension header. PASSED_UNJUDGED: there is none left. */
static __always_inline enum outcome parse_extension_header(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6_routing header;

	switch (packet->protocol) {
	case IPPROTO_FRAGMENT:
		return parse_ipv6_fragment(skb, packet);
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_MH:
		break;
	default:
		return PASSED_UNJUDGED;
	}
	if (!load(skb, packet->layer4_at, &header, sizeof(header)))
		return DROPPED_TRUNCATED;
	if (packet->protocol == IPPROTO_ROUTING && header.segments_left > 0)
		return DROPPED_SOURCE_ROUTED;
	packet->layer4_at += packet->protocol == IPPROTO_AH ? (header.length + 2) * 4 : (header.length + 1) * 8;
	packet->protocol = header.next_header;
	return PASSED_KNOWN;
}

static __always_inline enum outcome parse_ipv6(struct __sk_buff *skb, __u32 at, struct packet *packet)
{
	struct ipv6hdr ip;
	enum outcome outcome;

	if (!load(skb, at, &ip, sizeof(ip)))
		return DROPPED_TRUNCATED;
	copy_address(packet->source, (__u8 *)&ip.saddr);
	copy_address(packet->destination, (__u8 *)&ip.daddr);
	/* RFC 4942, section 2.2: they would be taken for what they are inside of. */
	if (is_ipv4(packet->source) || is_ipv4(packet->destination))
		return DROPPED_MARTIAN;
	packet->is_ipv6 = true;
	packet->protocol = ip.nexthdr;
	packet->hop_limit = ip.hop_limit;
	packet->layer4_at = at + sizeof(ip);
	packet->fragment = NO_FRAGMENT;
	for (int i = 0; i <= MAX_EXTENSION_HEADERS; i++) {
		/* What follows the header of a later fragment is not a header. */
		if (packet->fragment == LATER_FRAGMENT)
			return PASSED_KNOWN;
		outcome = parse_extension_header(skb, packet);
		if (outcome == PASSED_UNJUDGED)
			return PASSED_KNOWN;
		if (outcome != PASSED_KNOWN)
			return outcome;
	}
	return DROPPED_TOO_MANY_HEADERS;
}

static __always_inline enum outcome parse_icmp(struct __sk_buff *skb, struct packet *packet)
{
	struct layer4 *layer4 = &packet->layer4;
	struct icmp_header icmp;

	if (!load(skb, packet->layer4_at, &icmp, sizeof(icmp)))
		return DROPPED_TRUNCATED;
	layer4->icmp_type = icmp.type;
	layer4->has_icmp_type = 1;
	if (is_echo(packet))
		layer4->source_port = layer4->destination_port = bpf_ntohs(icmp.identifier);
	return PASSED_KNOWN;
}

/* `is_quoted` in an ICMP error, which need not have more than 8 bytes of it. */
static __always_inline enum outcome parse_layer4(struct __sk_buff *skb, struct packet *packet, bool is_quoted)
{
	struct layer4 *layer4 = &packet->layer4;
	__u32 size = sizeof(struct udphdr);
	struct tcphdr tcp = {};

	if (is_icmp(packet))
		return parse_icmp(skb, packet);
	switch (packet->protocol) {
	case IPPROTO_TCP:
		if (is_quoted ? !load(skb, packet->layer4_at, &tcp, size) : !load(skb, packet->layer4_at, &tcp, sizeof(tcp)))
			return DROPPED_TRUNCATED;
		if (!is_quoted && tcp.doff < 5)
			return DROPPED_MALFORMED;
		layer4->tcp_flags = ((__u8 *)&tcp)[TCP_FLAGS_AT];
		break;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		/* Both begin with the ports, as TCP does. */
		if (!load(skb, packet->layer4_at, &tcp, size))
			return DROPPED_TRUNCATED;
		break;
	default:
		return PASSED_KNOWN;
	}
	layer4->source_port = bpf_ntohs(tcp.source);
	layer4->destination_port = bpf_ntohs(tcp.dest);
	return PASSED_KNOWN;
}

#define QUOTED 1

/*
 * Reads what a verdict asks for, into a packet that is zero, from so many bytes after the network header on. Ports of later fragments are not
 * there to be read. Neither static nor inline, so that the verifier goes through it once rather than for each packet that there may be.
 */
__noinline int parse_packet(struct __sk_buff *skb, struct packet *packet, __u32 at, __u32 how)
{
	enum outcome outcome;
	__u8 first;

	if (!packet)
		return DROPPED_MALFORMED;
	if (!load(skb, at, &first, sizeof(first)))
		return DROPPED_TRUNCATED;
	outcome = first >> 4 == 6 ? parse_ipv6(skb, at, packet) : parse_ipv4(skb, at, packet);
	if (is_drop(outcome) || packet->fragment == LATER_FRAGMENT)
		return outcome;
	return parse_layer4(skb, packet, how == QUOTED);
}

#endif
