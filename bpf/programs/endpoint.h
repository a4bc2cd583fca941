/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "identity.h"

/* A pod, known by the device that leads to it. Times are those of the monotonic clock, in nanoseconds. */
struct endpoint {
	/* When it last changed; what was judged before is to be judged again. */
	__u64 changed;
	__u32 identity;
	/* As its key: an element that is replaced is used again at once, also while somebody reads it. */
	__u32 ifindex;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

struct endpoint_address {
	__u32 ifindex;
	ADDRESS(address);
};

/* The addresses that are a pod's own; the value says nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct endpoint_address);
	__type(value, __u8);
} endpoint_addresses SEC(".maps");

static __always_inline bool is_own_address(__u32 ifindex, const __u8 *address)
{
	struct endpoint_address key = { .ifindex = ifindex };

	copy_address(key.address, address);
	return bpf_map_lookup_elem(&endpoint_addresses, &key) != 0;
}

/* Whose an address is, of pods of this node, by the device; the other way round than above. */
struct address_owner {
	/* As its key, as with endpoints. */
	ADDRESS(address);
	__u32 ifindex;
};

struct address_key {
	ADDRESS(address);
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct address_key);
	__type(value, struct address_owner);
} address_owners SEC(".maps");

enum monitor_level {
	MONITOR_NOTHING,
	MONITOR_DROPS,
	/* Drops, and connections that begin and end. */
	MONITOR_CONNECTIONS,
} __attribute__((packed));

struct configuration {
	/* When an address last got another identity, or a slot another listener. */
	__u64 changed;
	/* Drops that are told of in a second, for each CPU. */
	__u32 drops_per_second;
	enum monitor_level monitor;
	__u8 pad[3];
	/* The device by which packets come in again that are for Envoy; 0: there is none. */
	__u32 steer_ifindex;
	/* As whom what Envoy opens for Ingresses is judged, and its addresses, of IPv4 and of IPv6; all zero: there is none. */
	__u32 ingress_identity;
	ADDRESS(ingress_ipv4);
	ADDRESS(ingress_ipv6);
	/* Whether it may go to nobody of the cluster without one. */
	__u8 needs_ingress_address;
	/* Whether what Envoy opens is judged at its sockets; else nothing goes to listeners that take Services. */
	__u8 judges_sockets;
	/* Whether listeners take any Services: where they do not, nobody pays for a look. */
	__u8 takes_services;
	/* Whether they take, or have taken, what is asked from outside of the node. */
	__u8 takes_from_outside;
	/* The device that leads to `steer_ifindex`, for what Envoy's own sockets send to slots; 0: there is none. */
	__u32 steer_entry_ifindex;
};

/* Of a pod whose address what Envoy opens for Ingresses has, or had while another did not take its place. */
static __always_inline bool has_ingress_address(const struct configuration *configuration, const struct endpoint *endpoint)
{
	return endpoint->identity == IDENTITY_INGRESS || (endpoint->identity && endpoint->identity == configuration->ingress_identity);
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct configuration);
} configuration SEC(".maps");

#endif
