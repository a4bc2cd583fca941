/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef SERVICE_CHOICE_H
#define SERVICE_CHOICE_H

#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "service-maps.h"

#define NANOSECONDS 1000000000ULL
/* As the kernel's connection tracking, and so kube-proxy, has it for streams of UDP. */
#define FLOW_IDLE_SECONDS 120
#define ATTEMPTS 4

/* Keeps the compiler from reading what comes after before what comes before. */
#define READ_IN_ORDER() asm volatile("" ::: "memory")

/* The inode of the node's network namespace, where loopback is the node's. */
const volatile __u32 node_netns = 0;

enum outcome { NO_SERVICE, TRANSLATED, NO_BACKEND, LOOK_AGAIN };

struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));
struct net {
	struct ns_common ns;
} __attribute__((preserve_access_index));
struct nsproxy {
	struct net *net_ns;
} __attribute__((preserve_access_index));
struct task_struct {
	struct nsproxy *nsproxy;
} __attribute__((preserve_access_index));

static __always_inline void count(__u32 what)
{
	__u64 *counted = bpf_map_lookup_elem(&service_counts, &what);

	if (counted)
		*counted += 1;
}

static __always_inline const __u32 *words_of(const struct service_address *address)
{
	return (const __u32 *)address->address;
}

static __always_inline int is_same(const struct service_address *a, const struct service_address *b)
{
	const volatile __u32 *x = (const volatile __u32 *)a, *y = (const volatile __u32 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3] && x[4] == y[4];
}

static __always_inline int is_mapped(const struct service_address *address)
{
	const __u32 *words = words_of(address);

	return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

static __always_inline int is_loopback(const struct service_address *address)
{
	const __u32 *words = words_of(address);

	if (is_mapped(address))
		return (bpf_ntohl(words[3]) >> 24) == 127;
	return words[0] == 0 && words[1] == 0 && words[2] == 0 && words[3] == bpf_htonl(1);
}

/* A process that asks by a socket of another namespace than its own is taken for one of its own: that is rare, and no pod can do it. */
static __always_inline int is_on_node(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, nsproxy, net_ns, ns.inum) == node_netns;
}

static __always_inline int is_nodes_own(const struct service_address *address)
{
	struct node_address own;

	if (is_loopback(address))
		return is_on_node();
	__builtin_memcpy(&own, address->address, sizeof(own));
	return bpf_map_lookup_elem(&node_addresses, &own) != 0;
}

static __always_inline enum outcome read_frontend(const struct service_address *key, __u64 *service)
{
	struct service_frontend *frontend = bpf_map_lookup_elem(&service_frontends, key);

	if (!frontend)
		return NO_SERVICE;
	*service = *(volatile __u64 *)&frontend->service;
	READ_IN_ORDER();
	return is_same(&frontend->address, key) ? TRANSLATED : LOOK_AGAIN;
}

static __always_inline enum outcome find_service(const struct service_address *wanted, __u64 *service)
{
	struct service_address anywhere = { .port = wanted->port, .protocol = wanted->protocol };
	enum outcome found = read_frontend(wanted, service);

	if (found != NO_SERVICE)
		return found;
	if (is_mapped(wanted))
		*(__u32 *)&anywhere.address[8] = bpf_htonl(0xffff);
	found = read_frontend(&anywhere, service);
	return found != NO_SERVICE && is_nodes_own(wanted) ? found : NO_SERVICE;
}

static __always_inline enum outcome read_service(__u64 id, struct service *copy)
{
	struct service *service = bpf_map_lookup_elem(&services, &id);

	if (!service)
		return LOOK_AGAIN;
	copy->table = *(volatile __u64 *)&service->table;
	copy->backends = *(volatile __u32 *)&service->backends;
	copy->affinity_seconds = *(volatile __u32 *)&service->affinity_seconds;
	READ_IN_ORDER();
	copy->id = *(volatile __u64 *)&service->id;
	if (copy->id != id)
		return LOOK_AGAIN;
	return copy->backends == 0 ? NO_BACKEND : TRANSLATED;
}

/* Whether it is a backend of this service that may be chosen; then it is copied. */
static __always_inline int read_backend(__u64 id, __u64 service, struct service_backend *copy)
{
	struct service_backend *backend = bpf_map_lookup_elem(&service_backends, &id);
	__u32 *to = (__u32 *)&copy->address;

	if (!backend)
		return 0;
#pragma unroll
	for (int index = 0; index < 5; index += 1)
		to[index] = ((volatile __u32 *)&backend->address)[index];
	copy->state = *(volatile __u32 *)&backend->state;
	READ_IN_ORDER();
	copy->service = *(volatile __u64 *)&backend->service;
	copy->id = *(volatile __u64 *)&backend->id;
	return copy->id == id && copy->service == service && copy->state == BACKEND_ACTIVE;
}

static __always_inline enum outcome choose_any(const struct service *service, struct service_backend *chosen)
{
	struct service_slot slot = { .table = service->table, .index = bpf_get_prandom_u32() % service->backends };
	__u64 *backend = bpf_map_lookup_elem(&service_slots, &slot);

	if (!backend)
		return LOOK_AGAIN;
	return read_backend(*(volatile __u64 *)backend, service->id, chosen) ? TRANSLATED : LOOK_AGAIN;
}

/* Whether a choice that was made before still stands; then it is as if it was made now. */
static __always_inline int keep_choice(struct service_choice *choice, __u64 seconds, __u64 service, struct service_backend *chosen)
{
	__u64 now = bpf_ktime_get_boot_ns();

	if (!choice || now - choice->used_at > seconds * NANOSECONDS || !read_backend(choice->backend, service, chosen))
		return 0;
	choice->used_at = now;
	return 1;
}

static __always_inline enum outcome choose_for_client(struct bpf_sock_addr *ctx, const struct service *service,
						      struct service_backend *chosen)
{
	struct service_client client = { .netns_cookie = bpf_get_netns_cookie(ctx), .service = service->id };
	struct service_choice *before = bpf_map_lookup_elem(&service_affinity, &client);
	struct service_choice choice = {};
	enum outcome outcome;

	if (keep_choice(before, service->affinity_seconds, service->id, chosen))
		return TRANSLATED;
	outcome = choose_any(service, chosen);
	if (outcome != TRANSLATED)
		return outcome;
	choice.backend = chosen->id;
	choice.used_at = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&service_affinity, &client, &choice, BPF_ANY);
	return TRANSLATED;
}

static __always_inline enum outcome choose_backend(struct bpf_sock_addr *ctx, const struct service *service,
						   struct service_backend *chosen)
{
	return service->affinity_seconds ? choose_for_client(ctx, service, chosen) : choose_any(service, chosen);
}

/* An unconnected socket keeps the backend of a Service while it sends to it, since what it sends may belong together. */
static __always_inline enum outcome choose_for_flow(struct bpf_sock_addr *ctx, const struct service *service,
						    const struct service_address *wanted, struct service_backend *chosen)
{
	struct service_flow flow = { .socket_cookie = bpf_get_socket_cookie(ctx), .address = *wanted };
	struct service_choice *before = bpf_map_lookup_elem(&service_flows, &flow);
	struct service_choice choice = {};
	enum outcome outcome;

	if (!keep_choice(before, FLOW_IDLE_SECONDS, service->id, chosen)) {
		outcome = choose_backend(ctx, service, chosen);
		if (outcome != TRANSLATED)
			return outcome;
		choice.backend = chosen->id;
		choice.used_at = bpf_ktime_get_boot_ns();
		bpf_map_update_elem(&service_flows, &flow, &choice, BPF_ANY);
	}
	/* One of the two may have been forgotten without the other. */
	flow.address = chosen->address;
	struct service_address *replied = bpf_map_lookup_elem(&service_replies, &flow);

	if (!replied || !is_same(replied, wanted))
		bpf_map_update_elem(&service_replies, &flow, wanted, BPF_ANY);
	return TRANSLATED;
}

#endif
