/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef VERDICT_H
#define VERDICT_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "identity.h"
#include "outcome.h"
#include "proxy.h"
#include "service-addresses.h"

#define ANY_PEER 0

/* In rising precedence. */
enum decision {
	DECISION_NONE,
	DECISION_ALLOW,
	DECISION_SLOT,
	DECISION_DENY,
} __attribute__((packed));

/* Peer and direction are always exact; protocol and port are matched by their longest prefix. */
struct verdict_key {
	/* In bits, of all that follows. */
	__u32 length;
	__u32 peer;
	enum direction direction;
	__u8 protocol;
	/* In network byte order, the leading bits first. */
	__u8 port[2];
};

#define VERDICT_KEY_BITS 64

struct verdict {
	/* Connections that it decided. */
	__u64 decided;
	/* The port of its listener; 0: it has none. */
	__u32 slot;
	enum decision decision;
	/* As in its key. */
	__u8 length;
	__u16 pad;
};

/* So that the types of the object have them; the compiler leaves out what only a map inside of a map names. */
const struct verdict_key *verdict_key_of __attribute__((unused));
const struct verdict *verdict_of __attribute__((unused));

struct subject_verdicts {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct verdict_key);
	__type(value, struct verdict);
};

/* By subject identity. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__array(values, struct subject_verdicts);
} verdicts SEC(".maps");

/* What else holds for all endpoints of an identity. By direction where there are two. */
struct subject {
	__u64 changed;
	/* Whether what no verdict matches is denied. */
	__u8 default_deny[DIRECTIONS];
	/* Whether policy says anything at all. */
	__u8 is_policed[DIRECTIONS];
	/* As its key, as with endpoints. */
	__u32 identity;
	/* Whether what policy does not allow passes and is told of. */
	__u8 audits;
	__u8 pad[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct subject);
} subjects SEC(".maps");

static __always_inline bool denies_by_default(const struct subject *subject, enum direction direction)
{
	return direction == EGRESS ? subject->default_deny[EGRESS] : subject->default_deny[INGRESS];
}

/* Of the one for the peer and the one for any: the higher decision, then the longer match, then the peer's own. */
static __always_inline struct verdict *prevailing(struct verdict *of_peer, struct verdict *of_any)
{
	if (!of_peer || !of_any)
		return of_peer ? of_peer : of_any;
	if (of_peer->decision != of_any->decision)
		return of_peer->decision > of_any->decision ? of_peer : of_any;
	return of_any->length > of_peer->length ? of_any : of_peer;
}

/* Who wants to reach what: a connection that `direction` says the opener of, as its subject sees it. */
struct attempt {
	__u32 peer;
	enum direction direction;
	__u8 protocol;
	/* Of the destination, or the type of ICMP; host byte order. */
	__u16 port;
	/* The answer's, where Envoy is to decide. */
	__u16 slot;
};

static __always_inline enum outcome judge_by_slot(struct attempt *attempt, __u32 slot)
{
	if (attempt->protocol != IPPROTO_TCP || !is_ready(slot))
		return DROPPED_SLOT;
	attempt->slot = slot;
	return PASSED_STEERED;
}

/* Neither static nor inline, as parse_packet. */
__noinline int judge_attempt(const struct subject *subject, struct attempt *attempt)
{
	struct verdict_key key = { .length = VERDICT_KEY_BITS };
	struct verdict *of_peer, *of_any, *verdict;
	bool is_own_host;
	void *trie;

	if (!subject || !attempt)
		return DROPPED_NO_POLICY;
	key.peer = attempt->peer;
	key.direction = attempt->direction;
	key.protocol = attempt->protocol;
	key.port[0] = attempt->port >> 8;
	key.port[1] = attempt->port & 0xff;
	/* The kubelet's probes pass, unless a rule denies them. */
	is_own_host = attempt->direction == INGRESS && attempt->peer == IDENTITY_HOST;
	trie = bpf_map_lookup_elem(&verdicts, &subject->identity);
	if (!trie)
		return is_own_host ? PASSED_HOST : DROPPED_NO_POLICY;
	of_peer = bpf_map_lookup_elem(trie, &key);
	key.peer = ANY_PEER;
	of_any = bpf_map_lookup_elem(trie, &key);
	verdict = prevailing(of_peer, of_any);
	if (is_own_host && (!verdict || verdict->decision != DECISION_DENY))
		return PASSED_HOST;
	if (!verdict)
		return denies_by_default(subject, attempt->direction) ? DROPPED_NOT_ALLOWED : PASSED_UNRESTRICTED;
	__sync_fetch_and_add(&verdict->decided, 1);
	if (verdict->decision == DECISION_ALLOW)
		return PASSED_ALLOWED;
	return verdict->decision == DECISION_SLOT ? judge_by_slot(attempt, verdict->slot) : DROPPED_DENIED;
}

/* Whether a pod that policy holds for sends to what is only the name of its backends. */
static __always_inline bool is_untranslated(const struct subject *subject, const __u8 *address, __u16 port, __u8 protocol)
{
	struct service_address key = { .port = port, .protocol = protocol };

	if (!subject->is_policed[EGRESS])
		return false;
	copy_address(key.address, address);
	return bpf_map_lookup_elem(&service_addresses, &key) != 0;
}

#endif
