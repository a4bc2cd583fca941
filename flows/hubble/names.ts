import { DropReason, IPVersion, LostEventSource, TrafficDirection, Verdict } from '@sluice/envoy-protos/hubble/flow_pb.js';
import { type Direction, IP_PROTOCOLS } from '../../model/index.ts';
import type { Flow, FlowVerdict } from '../flow.ts';
import type { LossPlace } from '../flow-losses.ts';

export const VERDICTS: Readonly<Record<FlowVerdict, Verdict>> = {
  forwarded: Verdict.FORWARDED,
  dropped: Verdict.DROPPED,
  redirected: Verdict.REDIRECTED,
  audit: Verdict.AUDIT,
  error: Verdict.ERROR,
};

/** What Cilium calls why the datapath dropped something; several of ours are one of its. */
const REASONS: Readonly<Record<string, DropReason>> = {
  'dropped-denied': DropReason.POLICY_DENY,
  'dropped-not-allowed': DropReason.POLICY_DENIED,
  'dropped-slot': DropReason.SOCKET_LOOKUP_FAILED,
  'dropped-service': DropReason.IS_A_CLUSTERIP,
  'dropped-no-endpoint': DropReason.DROP_EP_NOT_READY,
  'dropped-no-policy': DropReason.NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION,
  'dropped-spoofed': DropReason.INVALID_SOURCE_IP,
  'dropped-spoofed-arp': DropReason.INVALID_SOURCE_IP,
  'dropped-spoofed-neighbour': DropReason.INVALID_SOURCE_IP,
  'dropped-router': DropReason.FORBIDDEN_ICMPV6_MESSAGE,
  'dropped-other-destination': DropReason.UNKNOWN_L3_TARGET_ADDRESS,
  'dropped-martian': DropReason.INVALID_SOURCE_IP,
  'dropped-truncated': DropReason.INVALID_PACKET_DROPPED,
  'dropped-malformed': DropReason.INVALID_PACKET_DROPPED,
  'dropped-too-many-headers': DropReason.INVALID_IPV6_EXTENSION_HEADER,
  'dropped-source-routed': DropReason.INVALID_IPV6_EXTENSION_HEADER,
  'dropped-vlan': DropReason.VLAN_FILTERED,
  'dropped-fragment': DropReason.FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND,
  'dropped-unknown-protocol': DropReason.UNKNOWN_L4_PROTOCOL,
  'dropped-no-proxy': DropReason.SOCKET_ASSIGN_FAILED,
  'dropped-other-slot': DropReason.FAILED_TO_INSERT_INTO_PROXYMAP,
  'dropped-beside-proxy': DropReason.FAILED_TO_INSERT_INTO_PROXYMAP,
  'dropped-listener': DropReason.SOCKET_LOOKUP_FAILED,
  'dropped-request': DropReason.POLICY_DENIED,
  'dropped-server-name': DropReason.POLICY_DENIED,
  'dropped-several-hosts': DropReason.POLICY_DENIED,
  'dropped-dots-with-parameters': DropReason.POLICY_DENIED,
};

/** Unknown where nothing was dropped, and where the datapath said no reason, as for what rules of layer 7 deny. */
export function dropReasonOf({ verdict, reason }: Pick<Flow, 'verdict' | 'reason'>): DropReason {
  if (verdict !== 'dropped' || reason === undefined) return DropReason.DROP_REASON_UNKNOWN;
  return REASONS[reason] ?? DropReason.POLICY_DENIED;
}

/** As they are called in `IP_PROTOCOLS`. */
export const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(IP_PROTOCOLS).map(([name, protocol]) => [protocol, name]),
);

/** As Hubble calls a protocol; undefined for one that it has no name for. */
export function protocolName(protocol: number): string | undefined {
  return protocol === IP_PROTOCOLS.ICMP ? 'ICMPv4' : PROTOCOL_NAMES.get(protocol);
}

/** What an answer of DNS says, by its code. @see https://www.iana.org/assignments/dns-parameters/dns-parameters.xhtml#dns-parameters-6 */
const RESPONSE_CODES = ['No Error', 'Format Error', 'Server Failure', 'Non-Existent Domain', 'Not Implemented', 'Query Refused'];

/** The code itself where it has no name. */
export function responseCodeName(code: number): string {
  return RESPONSE_CODES[code] ?? String(code);
}

/** How clients know this cluster, as long as there is one. */
export const CLUSTER_NAME = 'default';

export function nodeNameOf({ node }: Pick<Flow, 'node'>): string {
  return `${CLUSTER_NAME}/${node}`;
}

const DIRECTIONS: Readonly<Record<Direction, TrafficDirection>> = { ingress: TrafficDirection.INGRESS, egress: TrafficDirection.EGRESS };

export function directionOf({ direction }: Flow): TrafficDirection {
  return direction === undefined ? TrafficDirection.TRAFFIC_DIRECTION_UNKNOWN : DIRECTIONS[direction];
}

export function ipVersionOf(address: string): IPVersion {
  if (address === '') return IPVersion.IP_NOT_USED;
  return address.includes(':') ? IPVersion.IPv6 : IPVersion.IPv4;
}

/** Where Cilium would have lost it. */
export const LOSS_SOURCES: Readonly<Record<LossPlace, LostEventSource>> = {
  kernel: LostEventSource.PERF_EVENT_RING_BUFFER,
  limit: LostEventSource.PERF_EVENT_RING_BUFFER,
  enforcer: LostEventSource.OBSERVER_EVENTS_QUEUE,
  envoy: LostEventSource.OBSERVER_EVENTS_QUEUE,
  agent: LostEventSource.OBSERVER_EVENTS_QUEUE,
  reader: LostEventSource.HUBBLE_RING_BUFFER,
  export: LostEventSource.HUBBLE_RING_BUFFER,
};
