/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef SERVICE_MAPS_H
#define SERVICE_MAPS_H

#include "service-addresses.h"

/*
 * What is known of Services. Elements of a hash that are replaced or deleted are used again at once, also while somebody reads them, so
 * what they hold begins with what they are about, and is compared with it after reading. Numbers of services, tables and backends are
 * taken from one sequence and never used again.
 */

/* Where a Service is reached. The unspecified address stands for the node's own. */
struct service_frontend {
	struct service_address address;
	__u32 pad;
	__u64 service;
};

struct service {
	__u64 id;
	/* Where its backends are, in slots from 0. */
	__u64 table;
	__u32 backends;
	/* 0: none. */
	__u32 affinity_seconds;
};

struct service_slot {
	__u64 table;
	__u32 index;
	__u32 pad;
};

enum service_backend_state {
	/* Given to whoever asks. */
	BACKEND_ACTIVE = 0,
	/* Keeps what it has. */
	BACKEND_DRAINING = 1,
};

struct service_backend {
	__u64 id;
	__u64 service;
	struct service_address address;
	__u32 state;
};

struct service_client {
	/* Of its network namespace. */
	__u64 netns_cookie;
	__u64 service;
};

struct service_choice {
	__u64 backend;
	/* Nanoseconds since the machine was started. */
	__u64 used_at;
};

/* What an unconnected socket sent to. */
struct service_flow {
	__u64 socket_cookie;
	struct service_address address;
	__u32 pad;
};

/* What a socket is connected to. */
struct service_peer {
	__u64 backend;
	struct service_address frontend;
	struct service_address address;
};

/* For those who look, not for programs: `namespace/name:port/TCP/IPv4`. */
struct service_name {
	__u8 text[256];
};

enum service_count {
	COUNT_TRANSLATED,
	/* There was no backend. */
	COUNT_REFUSED,
	/* What the maps say does not fit together, also after looking again. */
	COUNT_INCONSISTENT,
	/* Datagrams of sockets that are connected to a backend that is gone. */
	COUNT_STALE,
	SERVICE_COUNTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct service_address);
	__type(value, struct service_frontend);
} service_frontends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, __u64);
	__type(value, struct service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct service_slot);
	__type(value, __u64);
} service_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, __u64);
	__type(value, struct service_backend);
} service_backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, __u64);
	__type(value, struct service_name);
} service_names SEC(".maps");

/* The next number that was never used. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} service_next_id SEC(".maps");

/* The node's own addresses, IPv4 as ::ffff:a.b.c.d. Without loopback. */
struct node_address {
	__u8 bytes[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct node_address);
	__type(value, __u8);
} node_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct service_client);
	__type(value, struct service_choice);
} service_affinity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct service_flow);
	__type(value, struct service_choice);
} service_flows SEC(".maps");

/* The way back: a backend that an unconnected socket sent to, and the Service that it was asked for as. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct service_flow);
	__type(value, struct service_address);
} service_replies SEC(".maps");

/* Goes with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct service_peer);
} service_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERVICE_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} service_counts SEC(".maps");

#endif
