/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef SERVICE_ADDRESSES_H
#define SERVICE_ADDRESSES_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/*
 * Where Services are reached: ClusterIPs, load balancers' and external addresses. What is translated at the socket writes it,
 * what judges packets reads it: a packet to one of these escaped translation and has no backend yet. Both objects have
 * this map pinned at the same path.
 */
struct service_address {
	/* IPv4 as ::ffff:a.b.c.d. */
	__u8 address[16] __attribute__((aligned(4)));
	/* Host byte order. */
	__u16 port;
	__u8 protocol;
	__u8 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct service_address);
	__type(value, __u8);
} service_addresses SEC(".maps");

#endif
