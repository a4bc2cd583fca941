/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PROXY_H
#define PROXY_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "identity.h"
#include "marks.h"
#include "packet.h"

/*
 * How a node's Envoy is known: see docs/decisions/layer7.md. A packet's or a socket's mark says which leg it is of in the bits of MARK_KIND,
 * and of which slot in the upper 16, by the port of its listener. Only root sets them.
 */
#define MARK_TO_SOCKET 0x00000200
/* In the lowest bit, which way the packet goes; port 0: to a socket of Envoy's that opened the connection. */
#define MARK_TO_STEER 0x00000300
/* It comes in a second time: what stood in its way is gone, or does not go. */
#define MARK_AGAIN 0x00000002
#define MARK_EGRESS_LISTENER 0x00000900
#define MARK_INGRESS_LISTENER 0x00000a00
#define MARK_EGRESS_UPSTREAM 0x00000b00
#define MARK_INGRESS_UPSTREAM 0x00000c00
/* What Envoy opens for Ingresses, with the node's ingress address. */
#define MARK_INGRESS 0x00000d00
/* It is led to the listener of an egress slot, the port of which it has: routes lead it to the device by which packets for Envoy come in again. */
#define MARK_INGRESS_LED 0x00000d01
#define MARK_LED_BITS 0x00000f01
/* Beside one of these two: for who asked a Service that a listener took, with his own address. Before it connects it may lack this. */
#define MARK_FOR_CLIENT 0x00000d02
#define MARK_FOR_CLIENT_BITS 0x00000f02
/* Beside the first of these: for who asked from outside of the node, with the node's ingress address. */
#define MARK_FOR_OUTSIDE 0x00000d08
/* What it opens for the node's own processes, which is theirs, but for that it is led to no listener. */
#define MARK_FOR_NODE 0x00000100
/* Listeners of Ingresses, and what they accepted. */
#define MARK_INGRESS_SERVER 0x00000e00
#define MARK_PORT_BITS 0xffff0000

/* Envoy's own connections begin here, and no pod's does that leaves the choice to the kernel. */
#define FIRST_UPSTREAM_PORT 61000

/* The longest name of a slot, with the zero at its end. */
#define SLOT_NAME_BYTES 64

/* The listener of a slot, by its port. */
struct redirect {
	__u8 name[SLOT_NAME_BYTES];
	/* Whether Envoy has it, so that connections may be given to it. */
	__u8 is_ready;
	__u8 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct redirect);
} redirects SEC(".maps");

/* Of a copy of a listener, both by their ports: the slot whose rules it asks before it routes. */
struct asked_copy {
	__u16 copy;
	__u16 slot;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct asked_copy);
} asked_copies SEC(".maps");

static __always_inline bool is_ready(__u32 slot)
{
	struct redirect *redirect = bpf_map_lookup_elem(&redirects, &slot);

	return redirect && redirect->is_ready;
}

static __always_inline __u32 kind_of_mark(__u32 mark)
{
	return mark & MARK_KIND;
}

static __always_inline __u16 slot_of_mark(__u32 mark)
{
	return mark >> MARK_PORT_SHIFT;
}

static __always_inline bool is_upstream(__u32 mark)
{
	return kind_of_mark(mark) == MARK_EGRESS_UPSTREAM || kind_of_mark(mark) == MARK_INGRESS_UPSTREAM;
}

/* Whether Envoy opened it for a client of its own, and it is judged at its socket: for Ingresses, or for who asked a Service. */
static __always_inline bool is_judged_at_socket(__u32 mark)
{
	return kind_of_mark(mark) == MARK_INGRESS && !asks_listener(mark);
}

static __always_inline bool is_for_client(__u32 mark)
{
	return (mark & MARK_FOR_CLIENT_BITS) == MARK_FOR_CLIENT;
}

static __always_inline bool is_ingress(__u32 mark)
{
	return is_judged_at_socket(mark) && !is_for_client(mark);
}

static __always_inline bool is_for_outside(__u32 mark)
{
	return is_ingress(mark) && (mark & MARK_FOR_OUTSIDE) == MARK_FOR_OUTSIDE;
}

static __always_inline bool is_led(__u32 mark)
{
	return (mark & MARK_LED_BITS) == MARK_INGRESS_LED;
}

/* Of what Envoy opens for a client: whether the rules of the slot have been asked by then, and will hold for what it sends. */
static __always_inline bool is_asked(__u32 mark, __u16 slot)
{
	__u32 port = slot_of_mark(mark);
	struct asked_copy *asked, found;

	if (!is_for_client(mark) || is_led(mark) || port == 0)
		return false;
	asked = bpf_map_lookup_elem(&asked_copies, &port);
	if (!asked)
		return false;
	*(volatile __u32 *)&found = *(volatile __u32 *)asked;
	return found.copy == port && found.slot == slot;
}

/* Whether Envoy opened a connection. */
static __always_inline bool is_opener(__u32 mark)
{
	return is_upstream(mark) || is_judged_at_socket(mark);
}

static __always_inline bool is_downstream(__u32 mark)
{
	return kind_of_mark(mark) == MARK_EGRESS_LISTENER || kind_of_mark(mark) == MARK_INGRESS_LISTENER;
}

static __always_inline bool is_downstream_of(__u32 mark, __u16 slot)
{
	return is_downstream(mark) && slot_of_mark(mark) == slot;
}

/* Envoy opens connections and takes none at these ports, so what opens one is not for it. */
static __always_inline bool may_be_for_upstream(const struct packet *packet)
{
	return packet->layer4.destination_port >= FIRST_UPSTREAM_PORT && packet->protocol == IPPROTO_TCP && !opens_tcp(packet);
}

#endif
