// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * What stands at a pod's door, and at the node's: see docs/decisions/datapath.md. A packet that passes is left to whatever else is at the
 * same place (TC_ACT_UNSPEC). Checksums are the receiver's to verify. Multicast and broadcast are judged by their address, as everything is.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "answers.h"
#include "connections.h"
#include "endpoint.h"
#include "flow-events.h"
#include "for-client.h"
#include "for-outside.h"
#include "fragments.h"
#include "from-outside.h"
#include "identity.h"
#include "ingress.h"
#include "ingress-listeners.h"
#include "judge.h"
#include "kept-connections.h"
#include "link.h"
#include "outcome.h"
#include "packet.h"
#include "packet-events.h"
#include "proxy.h"
#include "proxy-sockets.h"
#include "stale-openings.h"
#include "verdict.h"

static __always_inline bool is_tagged(const struct __sk_buff *skb)
{
	return skb->vlan_present || skb->protocol == bpf_htons(ETH_P_8021Q) || skb->protocol == bpf_htons(ETH_P_8021AD);
}

static __always_inline bool is_ip(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) || skb->protocol == bpf_htons(ETH_P_IPV6);
}

static __always_inline bool read_endpoint(struct door *door)
{
	struct endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &door->ifindex);

	if (!endpoint)
		return false;
	door->endpoint = *endpoint;
	return door->endpoint.ifindex == door->ifindex;
}

static __always_inline bool read_subject(struct door *door)
{
	struct subject *subject = bpf_map_lookup_elem(&subjects, &door->endpoint.identity);

	if (!subject)
		return false;
	door->subject = *subject;
	return door->subject.identity == door->endpoint.identity;
}

static __always_inline bool find_door(struct door *door, struct __sk_buff *skb, enum direction heading)
{
	__u32 only = 0;

	door->skb = skb;
	door->heading = heading;
	door->ifindex = skb->ifindex;
	door->now = bpf_ktime_get_ns();
	door->configuration = bpf_map_lookup_elem(&configuration, &only);
	if (!door->configuration)
		return false;
	if (!read_endpoint(door))
		return false;
	door->has_subject = read_subject(door);
	return true;
}

/* What no verdict can name passes where nothing is closed. */
static __always_inline enum outcome judge_unknown_protocol(const struct door *door)
{
	if (!door->has_subject)
		return DROPPED_NO_POLICY;
	if (!denies_by_default(&door->subject, door->heading))
		return PASSED_UNJUDGED;
	return door->subject.audits ? PASSED_AUDITED : DROPPED_UNKNOWN_PROTOCOL;
}

static __always_inline enum outcome parse(struct door *door, struct packet *packet)
{
	enum outcome outcome = parse_packet(door->skb, packet, 0, 0);

	if (is_drop(outcome))
		return outcome;
	if (packet->is_ipv6 != (door->skb->protocol == bpf_htons(ETH_P_IPV6)))
		return DROPPED_MALFORMED;
	if (packet->fragment != LATER_FRAGMENT)
		return outcome;
	return recall_fragment(door->ifindex, door->heading, packet, door->now) ? PASSED_KNOWN : DROPPED_FRAGMENT;
}

static __always_inline enum outcome judge_flow(struct door *door, struct packet *packet)
{
	enum outcome outcome = PASSED_UNJUDGED;

	if (equals(packet->source, packet->destination))
		return PASSED_ITSELF;
	if (is_icmp_error(packet) && packet->fragment != LATER_FRAGMENT)
		outcome = judge_error(door, packet);
	if (outcome == PASSED_UNJUDGED)
		outcome = judge_packet(door, packet);
	/* A socket is found by the ports, which only the first fragment has. */
	if (outcome == PASSED_STEERED && packet->fragment != NO_FRAGMENT)
		return DROPPED_FRAGMENT;
	if (packet->fragment == FIRST_FRAGMENT && !is_drop(outcome))
		remember_fragment(door->ifindex, door->heading, packet, door->now);
	return outcome;
}

static __always_inline enum outcome judge_from_pod(struct door *door, struct packet *packet)
{
	enum outcome outcome;

	if (is_tagged(door->skb))
		return DROPPED_VLAN;
	if (door->skb->protocol == bpf_htons(ETH_P_ARP))
		return judge_arp_of_pod(door->skb, door->ifindex);
	if (!is_ip(door->skb))
		return judge_unknown_protocol(door);
	outcome = parse(door, packet);
	if (is_drop(outcome))
		return outcome;
	outcome = judge_link_of_pod(door->skb, door->ifindex, packet);
	if (outcome != PASSED_UNJUDGED)
		return outcome;
	if (!is_own_address(door->ifindex, packet->source))
		return DROPPED_SPOOFED;
	outcome = judge_flow(door, packet);
	if (is_drop(outcome) || !is_answer_to_opener(door, packet))
		return outcome;
	door->slot = 0;
	return PASSED_STEERED;
}

static __always_inline enum outcome judge_to_pod(struct door *door, struct packet *packet)
{
	enum outcome outcome;

	if (is_tagged(door->skb))
		return DROPPED_VLAN;
	if (door->skb->protocol == bpf_htons(ETH_P_ARP))
		return PASSED_LINK;
	if (!is_ip(door->skb))
		return judge_unknown_protocol(door);
	outcome = parse(door, packet);
	if (is_drop(outcome))
		return outcome;
	outcome = judge_link_to_pod(packet);
	if (outcome != PASSED_UNJUDGED)
		return outcome;
	if (is_martian_source(packet->source))
		return DROPPED_MARTIAN;
	if (!is_multicast(packet->destination) && !is_own_on_link(door->ifindex, packet->destination))
		return DROPPED_OTHER_DESTINATION;
	if (is_for_opener(door, packet)) {
		door->slot = 0;
		return PASSED_STEERED;
	}
	return judge_flow(door, packet);
}

static __always_inline int conclude(const struct door *door, const struct packet *packet, enum outcome outcome)
{
	if (outcome == PASSED_STEERED && door->configuration->steer_ifindex == 0)
		outcome = door->subject.audits ? PASSED_AUDITED : DROPPED_SLOT;
	count(door->heading, outcome, door->skb->len);
	if (is_drop(outcome) || outcome == PASSED_AUDITED)
		tell_packet(door, packet, outcome);
	if (is_drop(outcome))
		return TC_ACT_SHOT;
	if (outcome != PASSED_STEERED)
		return TC_ACT_UNSPEC;
	door->skb->mark = MARK_TO_STEER | door->heading | (__u32)door->slot << MARK_PORT_SHIFT;
	return bpf_redirect(door->configuration->steer_ifindex, BPF_F_INGRESS);
}

SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	struct door door = {};
	struct packet packet = {};
	enum outcome outcome = DROPPED_NO_ENDPOINT;

	if (find_door(&door, skb, EGRESS)) {
		outcome = judge_from_pod(&door, &packet);
		/* Who it is may be masqueraded on the way to another pod of this node. */
		mark(skb, door.endpoint.identity);
	}
	return conclude(&door, &packet, outcome);
}

SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	struct door door = {};
	struct packet packet = {};
	enum outcome outcome = DROPPED_NO_ENDPOINT;

	if (find_door(&door, skb, INGRESS))
		outcome = judge_to_pod(&door, &packet);
	return conclude(&door, &packet, outcome);
}

static __always_inline int refuse_from_network(const struct __sk_buff *skb, enum outcome outcome)
{
	count(INGRESS, outcome, skb->len);
	return TC_ACT_SHOT;
}

/* Of devices that lead to other hosts, tunnels too: what comes through one of these is not from this node, whatever becomes of its address. */
SEC("tc")
int from_network(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct configuration *found;
	enum outcome outcome;
	__u32 identity, only = 0;
	__u16 listener = 0;
	bool is_taken;

	/* What is tagged comes by here again, on the device that its tag leads to. */
	if (is_tagged(skb) || !is_ip(skb))
		return TC_ACT_UNSPEC;
	found = bpf_map_lookup_elem(&configuration, &only);
	is_taken = found && found->takes_from_outside;
	outcome = parse_packet(skb, &packet, 0, 0);
	/* Somebody else might read of it what is for a listener. */
	if (is_drop(outcome))
		return is_taken ? refuse_from_network(skb, outcome) : TC_ACT_UNSPEC;
	identity = identity_of(packet.source);
	/* A pod that reaches itself does not do so by the network. */
	if (identity == IDENTITY_HOST || equals(packet.source, packet.destination))
		return refuse_from_network(skb, DROPPED_MARTIAN);
	outcome = is_taken ? judge_from_outside(skb, found, &packet, &listener) : PASSED_MARKED;
	if (is_drop(outcome))
		return refuse_from_network(skb, outcome);
	if (outcome == PASSED_STEERED && !ensure_link_header(skb))
		return refuse_from_network(skb, DROPPED_LISTENER);
	count(INGRESS, outcome, skb->len);
	if (outcome == PASSED_STEERED) {
		skb->mark = MARK_TO_STEER | EGRESS | (__u32)listener << MARK_PORT_SHIFT;
		return bpf_redirect(found->steer_ifindex, BPF_F_INGRESS);
	}
	mark(skb, identity);
	return TC_ACT_UNSPEC;
}

/*
 * Of the device by which packets come in again that are for Envoy: the kernel takes a socket only for what comes in. Nothing else is to come by
 * it. The packet is as its sender made it, so its Ethernet address is somebody else's.
 */
SEC("tc")
int from_steer(struct __sk_buff *skb)
{
	struct packet packet = {};
	__u32 origin = mark_of_origin(skb);
	enum direction heading;
	__u16 slot;

	if (is_led(origin))
		skb->mark = MARK_TO_STEER | EGRESS | (origin & MARK_PORT_BITS);
	slot = slot_of_mark(skb->mark);
	heading = skb->mark & 1 ? EGRESS : INGRESS;
	if (kind_of_mark(skb->mark) != MARK_TO_STEER || is_drop(parse_packet(skb, &packet, 0, 0)))
		return TC_ACT_SHOT;
	bpf_skb_change_type(skb, PACKET_HOST);
	/* The kernel finds the socket by what is quoted. */
	if (is_icmp_error(&packet)) {
		skb->mark = MARK_TO_SOCKET;
		return TC_ACT_UNSPEC;
	}
	if (assign_connection(skb, &packet, slot))
		return TC_ACT_UNSPEC;
	if (slot && !(skb->mark & MARK_AGAIN) && clear_way(skb, &packet, slot))
		return TC_ACT_UNSPEC;
	if (slot && assign_listener(skb, packet.is_ipv6, slot))
		return TC_ACT_UNSPEC;
	count(heading, DROPPED_NO_PROXY, skb->len);
	return TC_ACT_SHOT;
}

/*
 * Not attached anywhere: the agent runs it, on a segment without data and numbers from who opened a connection to a pod. Where the connection is idle,
 * that is seen at the pod's door as if he had sent it, so whose connection is not to go on hears of it before he sends a request by it; to any
 * other it is an acknowledgement that comes twice. In `cb`, the pod's device and its network namespace, as the node's numbers it.
 */
SEC("tc")
int ask_door(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct idle_socket idle = {};

	if (is_drop(parse_packet(skb, &packet, 0, 0)) || packet.protocol != IPPROTO_TCP)
		return TC_ACT_SHOT;
	if (!find_idle(skb, &packet, skb->cb[1], &idle) || !number(skb, &packet, &idle))
		return TC_ACT_SHOT;
	skb->mark = MARK_INGRESS;
	return bpf_clone_redirect(skb, skb->cb[0], 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("cgroup/connect4")
int ingress_connect4(struct bpf_sock_addr *ctx)
{
	struct sockaddr_in own = { .sin_family = AF_INET };
	__u8 wanted[ADDRESS_BYTES] __attribute__((aligned(4)));
	const struct configuration *configuration = configuration_for_opening(ctx->sk);

	if (!configuration)
		return PROCEED;
	map_ipv4(wanted, ctx->user_ip4);
	if (will_be_for_client(ctx->sk) && !will_be_for_outside(ctx->sk))
		return connect_for_client(ctx, configuration, wanted, (struct sockaddr *)&own, sizeof(own));
	own.sin_addr.s_addr = words_of(configuration->ingress_ipv4)[3];
	return connect_as_ingress(ctx, configuration, wanted, (struct sockaddr *)&own, sizeof(own), &own.sin_port, own.sin_addr.s_addr != 0);
}

SEC("cgroup/connect6")
int ingress_connect6(struct bpf_sock_addr *ctx)
{
	struct sockaddr_in6 own = { .sin6_family = AF_INET6 };
	__u8 wanted[ADDRESS_BYTES] __attribute__((aligned(4)));
	const struct configuration *configuration = configuration_for_opening(ctx->sk);
	__u32 *words = (__u32 *)wanted;

	if (!configuration)
		return PROCEED;
	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	if (will_be_for_client(ctx->sk) && !will_be_for_outside(ctx->sk))
		return connect_for_client(ctx, configuration, wanted, (struct sockaddr *)&own, sizeof(own));
	copy_address((__u8 *)&own.sin6_addr, is_ipv4(wanted) ? configuration->ingress_ipv4 : configuration->ingress_ipv6);
	return connect_as_ingress(ctx, configuration, wanted, (struct sockaddr *)&own, sizeof(own), &own.sin6_port,
				  !is_unspecified_ipv6((__u8 *)&own.sin6_addr));
}

/* Each packet is judged, so that what is not allowed any more ends. */
SEC("cgroup_skb/egress")
int ingress_egress(struct __sk_buff *skb)
{
	const struct configuration *configuration;
	__u8 source[ADDRESS_BYTES] __attribute__((aligned(4)));
	__u8 wanted[ADDRESS_BYTES] __attribute__((aligned(4)));
	struct bpf_sock *sk = skb->sk;
	enum outcome outcome, by_source;
	__u16 slot = 0;

	sk = sk ? bpf_sk_fullsock(sk) : 0;
	if (!sk)
		return PROCEED;
	if (asks_listener(sk->mark))
		return judge_asking(skb);
	configuration = configuration_for(sk, MARK_INGRESS);
	if (!configuration)
		return PROCEED;
	if (is_for_client(sk->mark))
		return judge_packet_for_client(skb, sk, configuration, EGRESS);
	if (!read_source(skb, source) || !read_destination(skb, wanted))
		return REFUSE;
	by_source = judge_source(configuration, source, wanted);
	if (is_drop(by_source))
		return answer(EGRESS, by_source, skb->len);
	outcome = judge_opened(configuration, configuration->ingress_identity, wanted, bpf_ntohs(sk->dst_port), &slot);
	if (!is_drop(outcome) && is_for_outside(sk->mark))
		outcome = judge_packet_for_outside(sk, configuration, wanted, skb->len);
	if (!is_drop(outcome))
		outcome = judge_way(configuration, skb, sk->mark, slot);
	/* So that the other side hears of it where the enforcer ends what may not be any more. */
	return is_drop(outcome) && is_reset(skb) ? PROCEED : answer(EGRESS, outcome, skb->len);
}

SEC("cgroup_skb/ingress")
int ingress_ingress(struct __sk_buff *skb)
{
	const struct configuration *configuration;
	__u8 source[ADDRESS_BYTES] __attribute__((aligned(4)));
	struct bpf_sock *sk = skb->sk;
	enum outcome outcome;
	__u16 port;

	sk = sk ? bpf_sk_fullsock(sk) : 0;
	if (!sk)
		return PROCEED;
	if (is_for_client(sk->mark)) {
		configuration = configuration_for(sk, MARK_INGRESS);
		return configuration ? judge_packet_for_client(skb, sk, configuration, INGRESS) : PROCEED;
	}
	configuration = configuration_for(sk, MARK_INGRESS_SERVER);
	if (!configuration)
		return PROCEED;
	if (!read_source(skb, source) || !read_wanted_port(skb, sk, &port))
		return REFUSE;
	outcome = judge_accepted(configuration, skb, sk, source, port);
	return answer(INGRESS, outcome, skb->len);
}

/* Listeners of Ingresses are known as soon as they listen. */
SEC("sockops")
int ingress_listens(struct bpf_sock_ops *ops)
{
	struct ingress_listener key;
	struct bpf_sock *sk = ops->op == BPF_SOCK_OPS_TCP_LISTEN_CB ? ops->sk : 0;

	if (!sk || kind_of_mark(sk->mark) != MARK_INGRESS_SERVER)
		return PROCEED;
	key = key_of_listener(sk->mark, ops->local_port, ops->family);
	bpf_sock_hash_update(ops, &ingress_listeners, &key, BPF_ANY);
	return PROCEED;
}

/* And those that listened before that program was there. */
SEC("iter/tcp")
int ingress_gather(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct ingress_listener key;
	struct sock *sk;

	if (!common || common->skc_state != BPF_TCP_LISTEN)
		return 0;
	sk = (struct sock *)bpf_skc_to_tcp_sock(common);
	if (!sk || kind_of_mark(sk->sk_mark) != MARK_INGRESS_SERVER)
		return 0;
	key = key_of_listener(sk->sk_mark, common->skc_num, common->skc_family);
	bpf_map_update_elem(&ingress_listeners, &key, sk, BPF_ANY);
	return 0;
}

/* Writes the cookies of sockets that Envoy has opened for who asked from outside of the node, by which he may not ask their backend any more. */
SEC("iter/tcp")
int outside_stale(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	const struct configuration *found;
	__u32 only = 0;
	__u64 cookie;

	if (!can_ask_sockets() || !common || !may_be_open(common))
		return 0;
	found = bpf_map_lookup_elem(&configuration, &only);
	if (!found || is_open_still(found, common))
		return 0;
	cookie = bpf_get_socket_cookie(common);
	bpf_seq_write(ctx->meta->seq, &cookie, sizeof(cookie));
	return 0;
}

/* What is not given to a slot's listener comes to the one that it asked for, where it is refused if it has a slot or may not be at all. */
SEC("sk_lookup")
int ingress_lookup(struct bpf_sk_lookup *ctx)
{
	struct ingress_listener key = { .family = ctx->family };
	__u8 client[ADDRESS_BYTES] __attribute__((aligned(4)));
	const struct configuration *found;
	__u32 only = 0;

	if (!is_for_ingresses(ctx))
		return SK_PASS;
	found = bpf_map_lookup_elem(&configuration, &only);
	if (!found)
		return SK_PASS;
	read_client(ctx, client);
	if (judge_client(found, client, ctx->local_port, 0, &key.slot) == PASSED_STEERED)
		is_assigned_to(ctx, &key);
	return SK_PASS;
}

/* The clock is for programs that say that they are under the GPL. */
char LICENSE[] SEC("license") = "GPL";
