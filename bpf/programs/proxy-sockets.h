/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PROXY_SOCKETS_H
#define PROXY_SOCKETS_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "packet.h"
#include "proxy.h"

/* As they are in every kernel that these load on; the compiler notes which fields, and their places are found when they are loaded. */
struct inet_request_sock {
	__u32 ir_mark;
} __attribute__((preserve_access_index));

struct tcp_request_sock {
	struct inet_request_sock req;
} __attribute__((preserve_access_index));

struct sock_common {
	unsigned short skc_family;
	volatile unsigned char skc_state;
	__u16 skc_num;
	__u32 skc_tw_rcv_nxt;
	__be32 skc_daddr;
	__be16 skc_dport;
	struct in6_addr skc_v6_daddr;
} __attribute__((preserve_access_index));

struct inet_timewait_sock {
	struct sock_common __tw_common;
	__u32 tw_mark;
} __attribute__((preserve_access_index));

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
} __attribute__((preserve_access_index));

/* Fills in a zero tuple; what is sent by `from` belongs to the socket that is found by it. */
static __always_inline void key_socket(struct bpf_sock_tuple *tuple, bool is_ipv6, const __u8 *from, __u16 from_port, const __u8 *to,
				       __u16 to_port)
{
	if (is_ipv6) {
		copy_address((__u8 *)tuple->ipv6.saddr, from);
		copy_address((__u8 *)tuple->ipv6.daddr, to);
		tuple->ipv6.sport = bpf_htons(from_port);
		tuple->ipv6.dport = bpf_htons(to_port);
		return;
	}
	tuple->ipv4.saddr = words_of(from)[3];
	tuple->ipv4.daddr = words_of(to)[3];
	tuple->ipv4.sport = bpf_htons(from_port);
	tuple->ipv4.dport = bpf_htons(to_port);
}

static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, bool is_ipv6)
{
	if (is_ipv6)
		return bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv6), BPF_F_CURRENT_NETNS, 0);
	return bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
}

static __always_inline struct bpf_sock *socket_for(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};

	key_socket(&tuple, packet->is_ipv6, packet->source, packet->layer4.source_port, packet->destination,
		   packet->layer4.destination_port);
	return find_socket(skb, &tuple, packet->is_ipv6);
}

/* The mark of who sent a packet. Others use the upper bits of packets' marks, such as Calico; what Envoy's socket has stays. */
static __always_inline __u32 mark_of_origin(struct __sk_buff *skb)
{
	struct bpf_sock *socket = skb->sk;
	struct bpf_sock *full = socket ? bpf_sk_fullsock(socket) : 0;
	__u32 mark = skb->mark;

	if (!full || kind_of_mark(full->mark) != kind_of_mark(mark))
		return mark;
	return full->mark;
}

/* Each mark is read by itself: the kernel knows by the type where it may be read, and the compiler would make one load of all. */
static __always_inline __u32 apart(__u32 value)
{
	asm volatile("" : "+r"(value));
	return value;
}

/* Connections that are not open yet, or no more, have their mark elsewhere. Listeners have none here. */
static __always_inline __u32 mark_of_socket(struct bpf_sock *socket)
{
	struct tcp_request_sock *request;
	struct tcp_timewait_sock *closed;
	struct bpf_sock *full;

	if (socket->state == BPF_TCP_LISTEN)
		return 0;
	full = bpf_sk_fullsock(socket);
	if (full)
		return apart(full->mark);
	request = bpf_skc_to_tcp_request_sock(socket);
	if (request)
		return apart(request->req.ir_mark);
	closed = bpf_skc_to_tcp_timewait_sock(socket);
	return closed ? apart(closed->tw_sk.tw_mark) : 0;
}

static __always_inline __u32 mark_and_release(struct bpf_sock *socket)
{
	__u32 mark;

	if (!socket)
		return 0;
	mark = mark_of_socket(socket);
	bpf_sk_release(socket);
	return mark;
}

/* The mark of the socket that a packet is for; 0: there is none that has one. Not static, as parse_packet, like those that follow. */
__noinline int mark_of_receiver(struct __sk_buff *skb, const struct packet *packet)
{
	if (!packet)
		return 0;
	return mark_and_release(socket_for(skb, packet));
}

/* And of the socket that one was sent by, which an ICMP error quotes. */
__noinline int mark_of_sender(struct __sk_buff *skb, const struct packet *quoted)
{
	struct bpf_sock_tuple tuple = {};

	if (!quoted)
		return 0;
	key_socket(&tuple, quoted->is_ipv6, quoted->destination, quoted->layer4.destination_port, quoted->source,
		   quoted->layer4.source_port);
	return mark_and_release(find_socket(skb, &tuple, quoted->is_ipv6));
}

static __always_inline bool assign(struct __sk_buff *skb, struct bpf_sock *socket)
{
	if (bpf_sk_assign(skb, socket, 0))
		return false;
	skb->mark = MARK_TO_SOCKET;
	return true;
}

static __always_inline bool is_closed(struct bpf_sock *socket)
{
	return bpf_skc_to_tcp_timewait_sock(socket) != 0;
}

/* Gives a packet to Envoy's socket of its connection; port 0: one that Envoy opened. */
static __noinline int assign_connection(struct __sk_buff *skb, const struct packet *packet, __u32 slot)
{
	struct bpf_sock *socket = socket_for(skb, packet);
	bool is_assigned = false;
	__u32 mark;

	if (!socket)
		return false;
	mark = mark_of_socket(socket);
	if (slot == 0)
		is_assigned = is_opener(mark) && assign(skb, socket);
	else if (is_downstream_of(mark, slot) && !(is_closed(socket) && opens_tcp(packet)))
		is_assigned = assign(skb, socket);
	bpf_sk_release(socket);
	return is_assigned;
}

#define TCP_SEQUENCE_AT 4
#define TCP_CHECKSUM_AT 16
#define TCP_FLAGS_WORD_AT 12

/* Makes a reset of what opens a connection, without a payload to speak of. */
static __always_inline bool turn_into_reset(struct __sk_buff *skb, const struct packet *packet, __be32 sequence)
{
	__u32 at = ETH_HLEN + packet->layer4_at;
	__be32 old_sequence;
	__be16 old_flags, flags;

	if (bpf_skb_load_bytes(skb, at + TCP_SEQUENCE_AT, &old_sequence, sizeof(old_sequence)) ||
	    bpf_skb_load_bytes(skb, at + TCP_FLAGS_WORD_AT, &old_flags, sizeof(old_flags)))
		return false;
	flags = (old_flags & bpf_htons(0xff00)) | bpf_htons(TCP_RST);
	return !bpf_l4_csum_replace(skb, at + TCP_CHECKSUM_AT, old_sequence, sequence, sizeof(sequence)) &&
	       !bpf_l4_csum_replace(skb, at + TCP_CHECKSUM_AT, old_flags, flags, sizeof(flags)) &&
	       !bpf_skb_store_bytes(skb, at + TCP_SEQUENCE_AT, &sequence, sizeof(sequence), 0) &&
	       !bpf_skb_store_bytes(skb, at + TCP_FLAGS_WORD_AT, &flags, sizeof(flags), 0);
}

/* What comes next to a socket, where it stands in the way of who is to have its connection: an old one, or one of another slot's. */
static __always_inline bool is_obstacle(struct bpf_sock *socket, const struct packet *packet, __u16 slot, __u32 *next)
{
	struct tcp_timewait_sock *closed;
	struct bpf_tcp_sock *tcp;
	struct bpf_sock *full;

	full = bpf_sk_fullsock(socket);
	if (!full) {
		closed = opens_tcp(packet) ? bpf_skc_to_tcp_timewait_sock(socket) : 0;
		if (closed)
			*next = apart(closed->tw_sk.__tw_common.skc_tw_rcv_nxt);
		return closed;
	}
	if (!is_downstream(full->mark) || slot_of_mark(full->mark) == slot)
		return false;
	tcp = bpf_tcp_sock(full);
	if (tcp)
		*next = apart(tcp->rcv_nxt);
	return tcp;
}

/*
 * Where there is a socket of the same addresses and ports, the kernel takes no other. A client may use a port again at once that Envoy has closed and
 * still remembers (TIME_WAIT), or his connection may have become another slot's. So the packet comes in a second time, and this one becomes
 * the reset that ends what is there. Whether that is so.
 */
static __noinline int clear_way(struct __sk_buff *skb, const struct packet *packet, __u32 slot)
{
	struct bpf_sock *socket = socket_for(skb, packet);
	bool is_cleared = false;
	__u32 next = 0;

	if (!socket)
		return false;
	if (socket->state != BPF_TCP_LISTEN && is_obstacle(socket, packet, slot, &next)) {
		skb->mark |= MARK_AGAIN;
		is_cleared = !bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS) && turn_into_reset(skb, packet, bpf_htonl(next)) &&
			     assign(skb, socket);
	}
	bpf_sk_release(socket);
	return is_cleared;
}

/* Or to the slot's listener, which answers with a reset what opens nothing. */
static __noinline int assign_listener(struct __sk_buff *skb, bool is_ipv6, __u32 slot)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket, *full;
	bool is_assigned = false;

	if (is_ipv6) {
		tuple.ipv6.daddr[3] = bpf_htonl(1);
		tuple.ipv6.dport = bpf_htons((__u16)slot);
	} else {
		tuple.ipv4.daddr = bpf_htonl(0x7f000001);
		tuple.ipv4.dport = bpf_htons((__u16)slot);
	}
	socket = find_socket(skb, &tuple, is_ipv6);
	if (!socket)
		return false;
	full = socket->state == BPF_TCP_LISTEN ? bpf_sk_fullsock(socket) : 0;
	if (full && is_downstream_of(full->mark, slot))
		is_assigned = assign(skb, socket);
	bpf_sk_release(socket);
	return is_assigned;
}

#endif
