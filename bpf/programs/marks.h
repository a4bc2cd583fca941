/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef MARKS_H
#define MARKS_H

#include <linux/types.h>
#include <stdbool.h>

/* What is common to the marks of both objects: see identity.h and proxy.h. */
#define MARK_KIND 0x00000f00
#define MARK_PORT_SHIFT 16
/* Left to others: kube-proxy has 0x4000 and 0x8000. */
#define MARK_BITS 0xffff0fff

/*
 * A socket of a process of the node that asks for a Service which a listener takes, whose port is in the upper 16 bits. Routes lead what it sends to the
 * device by which packets for Envoy come in again, as they do what Envoy's own sockets send to slots.
 */
#define MARK_ASKS_LISTENER 0x00000d05
#define MARK_ASKS_LISTENER_BITS 0x00000f05

static __always_inline bool asks_listener(__u32 mark)
{
	return (mark & MARK_ASKS_LISTENER_BITS) == MARK_ASKS_LISTENER;
}

/*
 * By SO_PRIORITY: of clusters that begin TLS themselves, instead of a mark. Where such a socket is for a client, it keeps the mark that a listener gave it
 * (MARK_FOR_CLIENT), and with it the port of the copy of a listener that asked the client's rules, if one did.
 */
#define PRIORITY_SEALED 0x736c0d00

#endif
