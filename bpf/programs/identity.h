/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "marks.h"

/* Numbers as in model/identity.ts. */
#define IDENTITY_UNKNOWN 0
#define IDENTITY_HOST 1
#define IDENTITY_WORLD 2
#define IDENTITY_REMOTE_NODE 6
#define IDENTITY_API_SERVER 7
#define IDENTITY_INGRESS 8
#define IDENTITY_WORLD_IPV4 9
#define IDENTITY_WORLD_IPV6 10
#define IDENTITY_LOCAL_SCOPE (1 << 24)

enum family {
	FAMILY_IPV4 = 4,
	FAMILY_IPV6 = 6,
};

#define FAMILY_BITS 32
#define IPV4_MAPPED_BITS 96
#define ADDRESS_BITS 128

/* The family comes first, so that ::/0 holds no address of IPv4. */
struct prefix {
	/* In bits, of all that follows. */
	__u32 length;
	__u32 family;
	ADDRESS(address);
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct prefix);
	__type(value, __u32);
} addresses SEC(".maps");

static __always_inline __u32 identity_of(const __u8 *address)
{
	struct prefix key = { .length = FAMILY_BITS + ADDRESS_BITS };
	__u32 *identity;

	key.family = is_ipv4(address) ? FAMILY_IPV4 : FAMILY_IPV6;
	copy_address(key.address, address);
	identity = bpf_map_lookup_elem(&addresses, &key);
	return identity ? *identity : IDENTITY_UNKNOWN;
}

/* Pods, nodes and whatever else is in the cluster; parts of the world have numbers of the local scope. */
static __always_inline bool is_of_cluster(__u32 identity)
{
	return identity != IDENTITY_UNKNOWN && identity != IDENTITY_WORLD && identity != IDENTITY_WORLD_IPV4 &&
	       identity != IDENTITY_WORLD_IPV6 && identity < IDENTITY_LOCAL_SCOPE;
}

/*
 * A packet's mark tells who sent it where its address may no longer do so: masquerading makes the outside look like the node. The scheme
 * is Cilium's: 0xf00 of 0xf00, the identity's lower 16 bits on top and 8 more at the bottom, here with the scope as the highest of
 * these.
 */
#define MARK_IDENTITY 0x00000f00
#define MARK_LOCAL_SCOPE 0x80

static __always_inline __u32 mark_of(__u32 identity)
{
	__u32 top = (identity >> 16) & 0x7f;

	if (identity & IDENTITY_LOCAL_SCOPE)
		top |= MARK_LOCAL_SCOPE;
	return (identity << 16) | MARK_IDENTITY | top;
}

static __always_inline bool is_identity_mark(__u32 mark)
{
	return (mark & MARK_KIND) == MARK_IDENTITY;
}

static __always_inline __u32 marked_identity(__u32 mark)
{
	__u32 identity = (mark >> 16) | ((mark & 0x7f) << 16);

	return mark & MARK_LOCAL_SCOPE ? identity | IDENTITY_LOCAL_SCOPE : identity;
}

static __always_inline void mark(struct __sk_buff *skb, __u32 identity)
{
	skb->mark = (skb->mark & ~MARK_BITS) | mark_of(identity);
}

#endif
