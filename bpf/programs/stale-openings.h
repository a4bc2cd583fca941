/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef STALE_OPENINGS_H
#define STALE_OPENINGS_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "for-outside.h"
#include "ingress-listeners.h"
#include "proxy.h"
#include "proxy-sockets.h"

/* What the enforcer asks of sockets that are open, of which the programs at sockets only hear when they send. */

/*
 * Before Linux 5.12, where this helper came, iterators knew neither what goes with a socket nor its cookie. There Envoy hears of it when what it asks is
 * not answered.
 */
static __always_inline bool can_ask_sockets(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_check_mtu);
}

static __always_inline bool may_be_open(const struct sock_common *common)
{
	return common->skc_state != BPF_TCP_LISTEN && common->skc_state != BPF_TCP_TIME_WAIT && common->skc_state != BPF_TCP_NEW_SYN_RECV;
}

/* Those that are for somebody else are. */
static __always_inline bool is_open_still(const struct configuration *configuration, struct sock_common *common)
{
	struct sock *sk = (struct sock *)bpf_skc_to_tcp_sock(common);
	struct opened heard = {};
	struct outside_opening *opening;

	if (!sk || !is_for_outside(sk->sk_mark))
		return true;
	opening = bpf_sk_storage_get(&outside_openings, sk, 0, 0);
	if (!opening)
		return false;
	copy_address(heard.wanted, opening->client);
	if (common->skc_family == AF_INET6)
		copy_address(heard.source, (const __u8 *)&common->skc_v6_daddr);
	else
		map_ipv4(heard.source, common->skc_daddr);
	heard.source_port = bpf_ntohs(common->skc_dport);
	return !is_drop(judge_at_backend(configuration, &heard));
}

#endif
