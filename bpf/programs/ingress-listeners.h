/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef INGRESS_LISTENERS_H
#define INGRESS_LISTENERS_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "endpoint.h"
#include "ingress.h"
#include "outcome.h"
#include "proxy.h"
#include "proxy-sockets.h"

/*
 * What comes to Ingresses and has a slot is given to a listener of that slot's, at whatever port it listens itself: see
 * docs/decisions/ingress-identity.md.
 */
struct ingress_listener {
	/* By its port; 0: that of Ingresses themselves. */
	__u16 slot;
	/* That of Ingresses themselves; 0 for slots. */
	__u16 port;
	/* AF_INET or AF_INET6. */
	__u32 family;
};

/* Sockets leave it when they close. Of several that listen together, one stands for all. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 8192);
	__type(key, struct ingress_listener);
	__type(value, __u64);
} ingress_listeners SEC(".maps");

static __always_inline struct ingress_listener key_of_listener(__u32 mark, __u16 port, __u32 family)
{
	struct ingress_listener key = { .slot = slot_of_mark(mark), .family = family };

	if (key.slot == 0)
		key.port = port;
	return key;
}

struct sock {
	struct sock_common __sk_common;
	__u32 sk_mark;
} __attribute__((preserve_access_index));

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} __attribute__((preserve_access_index));

static __always_inline bool is_assigned_to(struct bpf_sk_lookup *ctx, const struct ingress_listener *key)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&ingress_listeners, key);
	bool is_assigned;

	if (!sk)
		return false;
	is_assigned = !bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return is_assigned;
}

static __always_inline bool listens(const struct ingress_listener *key)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&ingress_listeners, key);

	if (!sk)
		return false;
	bpf_sk_release(sk);
	return true;
}

static __always_inline bool is_for_ingresses(const struct bpf_sk_lookup *ctx)
{
	struct ingress_listener key = { .port = ctx->local_port, .family = ctx->family };

	if (ctx->protocol != IPPROTO_TCP)
		return false;
	if (listens(&key))
		return true;
	/* One of IPv6 may have both. */
	key.family = AF_INET6;
	return listens(&key);
}

static __always_inline void read_client(const struct bpf_sk_lookup *ctx, __u8 *address)
{
	__u32 *words = (__u32 *)address;

	if (ctx->family == AF_INET) {
		map_ipv4(address, ctx->remote_ip4);
		return;
	}
	words[0] = ctx->remote_ip6[0];
	words[1] = ctx->remote_ip6[1];
	words[2] = ctx->remote_ip6[2];
	words[3] = ctx->remote_ip6[3];
}

#endif
