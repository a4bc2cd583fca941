// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Services are translated where a socket asks for them: see docs/decisions/services.md. */
#include <linux/bpf.h>
#include <linux/errno.h>

#include "marks.h"
#include "service-choice.h"
#include "taken-services.h"

#define PROCEED 1
#define REFUSE 0

#define SOL_SOCKET 1
#define SO_MARK 36

enum hook { CONNECT, SENDMSG };

static __always_inline void read_port(struct bpf_sock_addr *ctx, struct service_address *to)
{
	/* Of what the program may read there are no parts. */
	volatile __u32 port = ctx->user_port, protocol = ctx->protocol;

	to->port = bpf_ntohs((__u16)port);
	to->protocol = protocol;
}

static __always_inline void read4(struct bpf_sock_addr *ctx, struct service_address *to)
{
	__u32 *words = (__u32 *)to->address;

	words[0] = words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ctx->user_ip4;
	to->pad = 0;
	read_port(ctx, to);
}

static __always_inline void read6(struct bpf_sock_addr *ctx, struct service_address *to)
{
	__u32 *words = (__u32 *)to->address;

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	to->pad = 0;
	read_port(ctx, to);
}

static __always_inline void write4(struct bpf_sock_addr *ctx, const struct service_address *from)
{
	ctx->user_ip4 = words_of(from)[3];
	ctx->user_port = bpf_htons(from->port);
}

static __always_inline void write6(struct bpf_sock_addr *ctx, const struct service_address *from)
{
	const __u32 *words = words_of(from);

	ctx->user_ip6[0] = words[0];
	ctx->user_ip6[1] = words[1];
	ctx->user_ip6[2] = words[2];
	ctx->user_ip6[3] = words[3];
	ctx->user_port = bpf_htons(from->port);
}

static __always_inline enum outcome choose_once(struct bpf_sock_addr *ctx, enum hook hook, const struct service_address *wanted,
						struct service_backend *chosen)
{
	struct service service = {};
	__u64 id = 0;
	enum outcome outcome = find_service(wanted, &id);

	if (outcome == TRANSLATED)
		outcome = read_service(id, &service);
	if (outcome != TRANSLATED)
		return outcome;
	return hook == SENDMSG ? choose_for_flow(ctx, &service, wanted, chosen) : choose_backend(ctx, &service, chosen);
}

/* What is read while it changes may not fit together; then it does so the next time. */
static __always_inline enum outcome choose(struct bpf_sock_addr *ctx, enum hook hook, const struct service_address *wanted,
					   struct service_backend *chosen)
{
	enum outcome outcome = LOOK_AGAIN;

	for (int attempt = 0; attempt < ATTEMPTS && outcome == LOOK_AGAIN; attempt += 1)
		outcome = choose_once(ctx, hook, wanted, chosen);
	if (outcome == LOOK_AGAIN)
		count(COUNT_INCONSISTENT);
	return outcome;
}

static __always_inline int refuse(void)
{
	count(COUNT_REFUSED);
	bpf_set_retval(-ECONNREFUSED);
	return REFUSE;
}

static __always_inline __u32 mark_of(const struct bpf_sock_addr *ctx)
{
	return ctx->sk ? ctx->sk->mark : 0;
}

static __always_inline int set_mark(struct bpf_sock_addr *ctx, __u32 mark)
{
	mark |= mark_of(ctx) & ~MARK_BITS;
	return !bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* These are led nowhere: what Envoy opens for who asked a Service would come back to it. A mark says nothing in a pod. */
static __always_inline int is_envoys_own(const struct bpf_sock_addr *ctx)
{
	__u32 mark = mark_of(ctx);

	bool is_sealed = ctx->sk && ctx->sk->priority == PRIORITY_SEALED;

	return ((mark & MARK_KIND) || is_sealed) && !asks_listener(mark) && is_on_node();
}

/* As taken_by; what was replaced while it was read is read again. */
static __always_inline int find_listener(const struct service_address *wanted)
{
	int port = wanted->protocol == IPPROTO_TCP ? taken_by(wanted) : NOT_TAKEN;

	return port ? port : taken_by(wanted);
}

/* What the node asks of its own addresses, as of a node port, no route leads anywhere. */
static __always_inline int is_within_node(const struct service_address *wanted)
{
	return is_nodes_own(wanted) && is_on_node();
}

/* One that was refused, or has ended, may ask for something else. */
static __always_inline int forget_listener(struct bpf_sock_addr *ctx)
{
	return !asks_listener(mark_of(ctx)) || set_mark(ctx, 0);
}

/*
 * By the address that was asked for, so that the listener hears of it. Pods' packets are led there at their doors, those of the node's own processes by the
 * mark of the socket, which holds for its first packet, too.
 */
static __always_inline int ask_listener(struct bpf_sock_addr *ctx, int port)
{
	/* A socket of UDP may be connected several times, and one of TCP once it has been refused. */
	bpf_sk_storage_delete(&service_peers, ctx->sk);
	if (!is_on_node())
		return PROCEED;
	return port && set_mark(ctx, MARK_ASKS_LISTENER | (__u32)port << MARK_PORT_SHIFT) ? PROCEED : refuse();
}

static __always_inline void remember_peer(struct bpf_sock_addr *ctx, const struct service_address *frontend,
					  const struct service_backend *backend)
{
	struct service_peer *peer = bpf_sk_storage_get(&service_peers, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!peer)
		return;
	peer->backend = backend->id;
	peer->frontend = *frontend;
	peer->address = backend->address;
}

static __always_inline int on_connect(struct bpf_sock_addr *ctx, int is_ipv6)
{
	struct service_backend chosen = {};
	struct service_address wanted;
	enum outcome outcome;
	int listener;

	is_ipv6 ? read6(ctx, &wanted) : read4(ctx, &wanted);
	listener = find_listener(&wanted);
	if (listener != NOT_TAKEN && !is_envoys_own(ctx) && !is_within_node(&wanted))
		return ask_listener(ctx, listener);
	if (!forget_listener(ctx))
		return refuse();
	outcome = choose(ctx, CONNECT, &wanted, &chosen);
	if (outcome == NO_SERVICE) {
		/* A socket of UDP may be connected several times. */
		bpf_sk_storage_delete(&service_peers, ctx->sk);
		return PROCEED;
	}
	if (outcome != TRANSLATED)
		return refuse();
	remember_peer(ctx, &wanted, &chosen);
	is_ipv6 ? write6(ctx, &chosen.address) : write4(ctx, &chosen.address);
	count(COUNT_TRANSLATED);
	return PROCEED;
}

static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, int is_ipv6)
{
	struct service_backend chosen = {};
	struct service_address wanted;
	enum outcome outcome;

	is_ipv6 ? read6(ctx, &wanted) : read4(ctx, &wanted);
	outcome = choose(ctx, SENDMSG, &wanted, &chosen);
	if (outcome == NO_SERVICE)
		return PROCEED;
	if (outcome != TRANSLATED)
		return refuse();
	is_ipv6 ? write6(ctx, &chosen.address) : write4(ctx, &chosen.address);
	count(COUNT_TRANSLATED);
	return PROCEED;
}

/* A backend's address becomes that of the Service which it was asked for as, for the socket that asked. */
static __always_inline int on_peer(struct bpf_sock_addr *ctx, int is_ipv6, int may_be_unconnected)
{
	struct service_flow flow = {};
	struct service_address *frontend = 0;
	struct service_peer *peer = bpf_sk_storage_get(&service_peers, ctx->sk, 0, 0);

	is_ipv6 ? read6(ctx, &flow.address) : read4(ctx, &flow.address);
	if (peer && is_same(&peer->address, &flow.address)) {
		frontend = &peer->frontend;
	} else if (may_be_unconnected) {
		flow.socket_cookie = bpf_get_socket_cookie(ctx);
		frontend = bpf_map_lookup_elem(&service_replies, &flow);
	}
	if (frontend)
		is_ipv6 ? write6(ctx, frontend) : write4(ctx, frontend);
	return PROCEED;
}

SEC("cgroup/connect4")
int service_connect4(struct bpf_sock_addr *ctx)
{
	return on_connect(ctx, 0);
}

SEC("cgroup/connect6")
int service_connect6(struct bpf_sock_addr *ctx)
{
	return on_connect(ctx, 1);
}

SEC("cgroup/sendmsg4")
int service_sendmsg4(struct bpf_sock_addr *ctx)
{
	return on_sendmsg(ctx, 0);
}

SEC("cgroup/sendmsg6")
int service_sendmsg6(struct bpf_sock_addr *ctx)
{
	return on_sendmsg(ctx, 1);
}

SEC("cgroup/recvmsg4")
int service_recvmsg4(struct bpf_sock_addr *ctx)
{
	return on_peer(ctx, 0, 1);
}

SEC("cgroup/recvmsg6")
int service_recvmsg6(struct bpf_sock_addr *ctx)
{
	return on_peer(ctx, 1, 1);
}

SEC("cgroup/getpeername4")
int service_getpeername4(struct bpf_sock_addr *ctx)
{
	return on_peer(ctx, 0, 0);
}

SEC("cgroup/getpeername6")
int service_getpeername6(struct bpf_sock_addr *ctx)
{
	return on_peer(ctx, 1, 0);
}

/*
 * A socket of UDP that is connected to a backend which is gone would send into nothing for ever, and no hook is asked again:
 * it is told by an error (EPERM; the kernel allows no other here), upon which clients connect anew.
 */
SEC("cgroup_skb/egress")
int service_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct service_peer *peer;
	__u64 backend;

	if (!sk)
		return PROCEED;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != IPPROTO_UDP)
		return PROCEED;
	peer = bpf_sk_storage_get(&service_peers, sk, 0, 0);
	/* It may have been disconnected since. */
	if (!peer || bpf_ntohs(sk->dst_port) != peer->address.port)
		return PROCEED;
	backend = peer->backend;
	if (bpf_map_lookup_elem(&service_backends, &backend))
		return PROCEED;
	count(COUNT_STALE);
	return REFUSE;
}

/* The clock is for programs that say that they are under the GPL. */
char LICENSE[] SEC("license") = "GPL";
