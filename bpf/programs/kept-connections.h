/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef KEPT_CONNECTIONS_H
#define KEPT_CONNECTIONS_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"
#include "proxy.h"
#include "proxy-sockets.h"

/* As those in proxy-sockets.h. Times are jiffies, of data alone. */
struct inet_connection_sock {
	struct {
		__u32 lrcvtime;
	} icsk_ack;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 copied_seq;
	__u32 lsndtime;
	__u32 rcv_nxt;
	__u32 snd_una;
	__u32 write_seq;
} __attribute__((preserve_access_index));

/* Of a socket on which nothing is under way and whose side spoke last: what it expects next, and what it would send. */
struct idle_socket {
	__u32 expected;
	__u32 next;
};

static __always_inline bool read_idle(struct bpf_sock *socket, struct idle_socket *idle)
{
	struct tcp_sock *tcp = socket->state == BPF_TCP_ESTABLISHED ? bpf_skc_to_tcp_sock(socket) : 0;
	__u32 heard, said;

	if (!tcp)
		return false;
	idle->expected = apart(tcp->rcv_nxt);
	idle->next = apart(tcp->write_seq);
	heard = apart(tcp->inet_conn.icsk_ack.lrcvtime);
	said = apart(tcp->lsndtime);
	return apart(tcp->copied_seq) == idle->expected && apart(tcp->snd_una) == idle->next && (__s32)(said - heard) >= 0;
}

/* Who has a connection to a pod: the pod, in its own network namespace, or Envoy for it. */
static __noinline int find_idle(struct __sk_buff *skb, const struct packet *packet, __u32 namespace, struct idle_socket *idle)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	bool is_idle;

	if (!packet || !idle)
		return false;
	socket = socket_for(skb, packet);
	if (socket) {
		is_idle = is_downstream(mark_of_socket(socket)) && read_idle(socket, idle);
		bpf_sk_release(socket);
		return is_idle;
	}
	key_socket(&tuple, packet->is_ipv6, packet->source, packet->layer4.source_port, packet->destination,
		   packet->layer4.destination_port);
	socket = bpf_skc_lookup_tcp(skb, &tuple, packet->is_ipv6 ? sizeof(tuple.ipv6) : sizeof(tuple.ipv4), namespace, 0);
	if (!socket)
		return false;
	is_idle = read_idle(socket, idle);
	bpf_sk_release(socket);
	return is_idle;
}

#define TCP_ACKNOWLEDGEMENT_AT 8

/* Of one that has no numbers yet. */
static __always_inline bool number(struct __sk_buff *skb, const struct packet *packet, const struct idle_socket *idle)
{
	__u32 at = ETH_HLEN + packet->layer4_at;
	__be32 numbers[2] = { bpf_htonl(idle->expected), bpf_htonl(idle->next) };

	return !bpf_l4_csum_replace(skb, at + TCP_CHECKSUM_AT, 0, numbers[0], sizeof(numbers[0])) &&
	       !bpf_l4_csum_replace(skb, at + TCP_CHECKSUM_AT, 0, numbers[1], sizeof(numbers[1])) &&
	       !bpf_skb_store_bytes(skb, at + TCP_SEQUENCE_AT, numbers, sizeof(numbers), 0);
}

#endif
