// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* What stands at a pod's door: see docs/decisions/datapath.md. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "service-addresses.h"

SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	struct service_address key = { .port = (__u16)skb->len };

	return bpf_map_lookup_elem(&service_addresses, &key) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* The clock is for programs that say that they are under the GPL. */
char LICENSE[] SEC("license") = "GPL";
