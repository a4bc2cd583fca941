/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef TAKEN_FOR_CLIENTS_H
#define TAKEN_FOR_CLIENTS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "taken-services.h"

/*
 * Clients whose requests are asked rules before they are routed meet a copy of the listener, by who they are. Nobody gets around anything who meets another
 * one: what Envoy opens is judged all the same.
 */
struct taken_for {
	struct service_address address;
	__u32 identity;
};

struct taken_copy {
	/* As its key: see taken-services.h. */
	struct taken_for who;
	/* Of the copy. */
	__u16 port;
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct taken_for);
	__type(value, struct taken_copy);
} taken_for_clients SEC(".maps");

/* 0: it meets none. */
static __always_inline __u16 copy_for(const struct taken_for *who)
{
	struct taken_copy *copy = bpf_map_lookup_elem(&taken_for_clients, who);
	const volatile __u32 *wanted = (const volatile __u32 *)who;
	const volatile __u32 *found;
	__u16 port;

	if (!copy)
		return 0;
	port = *(volatile __u16 *)&copy->port;
	asm volatile("" ::: "memory");
	found = (const volatile __u32 *)&copy->who;
	for (__u32 i = 0; i < sizeof(*who) / sizeof(__u32); i++)
		if (found[i] != wanted[i])
			return 0;
	return port;
}

/* As taken_by, of what the client meets. */
static __always_inline int taken_from(const struct service_address *address, __u32 identity)
{
	struct taken_for who = { .address = *address, .identity = identity };
	int port = taken_by(address);
	__u16 copy;

	if (port == NOT_TAKEN || port == 0)
		return port;
	copy = copy_for(&who);
	return copy ? copy : port;
}

#endif
