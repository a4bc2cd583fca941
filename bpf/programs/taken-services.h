/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef TAKEN_SERVICES_H
#define TAKEN_SERVICES_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "service-addresses.h"

/*
 * Addresses of Services that a listener of Envoy's takes, of TCP: see docs/decisions/envoy-config.md. What translates Services leaves them as they are, and what
 * judges packets gives these to the listener. Both objects have this map pinned at the same path.
 */
struct taken_service {
	/* As its key: an element that is replaced is used again at once, also while somebody reads it. */
	struct service_address address;
	/* Of the listener. */
	__u16 port;
	/* Whether Envoy has it, so that connections may be given to it. */
	__u8 is_ready;
	/* Whether it has what is asked from outside of the node, too; else that is left to others. */
	__u8 is_from_outside;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct service_address);
	__type(value, struct taken_service);
} taken_services SEC(".maps");

#define NOT_TAKEN -1

static __always_inline int taken(const struct service_address *address, bool is_asked_outside)
{
	struct taken_service *taken;
	const volatile __u32 *wanted = (const volatile __u32 *)address;
	const volatile __u32 *found;
	bool is_left;
	__u16 port;

	taken = bpf_map_lookup_elem(&taken_services, address);
	if (!taken)
		return NOT_TAKEN;
	port = *(volatile __u16 *)&taken->port;
	is_left = is_asked_outside && !*(volatile __u8 *)&taken->is_from_outside;
	/* What it is about is compared after what it says was read. */
	asm volatile("" ::: "memory");
	found = (const volatile __u32 *)&taken->address;
	for (__u32 i = 0; i < sizeof(*address) / sizeof(__u32); i++)
		if (found[i] != wanted[i])
			return 0;
	if (is_left)
		return NOT_TAKEN;
	return taken->is_ready ? port : 0;
}

/* The port of the listener that takes it, 0: none is there; or NOT_TAKEN. */
static __always_inline int taken_by(const struct service_address *address)
{
	return taken(address, false);
}

/* The same for who asks from outside of the node. */
static __always_inline int taken_from_outside(const struct service_address *address)
{
	return taken(address, true);
}

#endif
