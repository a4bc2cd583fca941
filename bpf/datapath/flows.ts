import type { Codec } from 'libbpf-ts';
import type { Direction, Identity } from '../../model/index.ts';
import { directionOf } from './connections.ts';
import { type Outcome, outcomeOf } from './counters.ts';
import { type flow_event, flow_event_kind } from './gen/policy.ts';
import { decodeAddress } from './prefix.ts';

type RawEvent = typeof flow_event extends Codec<infer T> ? T : never;

/** That a connection began or ended, or that a packet was dropped, or was not although policy does not allow it. Packets are told of up to a limit in each second. */
export interface FlowEvent {
  readonly kind: 'begun' | 'ended' | 'dropped' | 'audited';
  /** Nanoseconds of the monotonic clock. */
  readonly time: bigint;
  readonly ifindex: number;
  readonly subject: Identity;
  readonly peer: Identity;
  /** Who opened the connection, as the pod sees it; of a packet, which way it went. */
  readonly direction: Direction;
  readonly outcome: Outcome;
  readonly protocol: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The port of Envoy's listener that has it; 0: it goes by none. */
  readonly slot: number;
  /** Of ICMP, where it could be read; of a connection, what its opener asks by. */
  readonly icmpType?: number;
  readonly packets: bigint;
  readonly bytes: bigint;
}

const KINDS: Readonly<Record<number, FlowEvent['kind']>> = {
  [flow_event_kind.CONNECTION_BEGUN]: 'begun',
  [flow_event_kind.CONNECTION_ENDED]: 'ended',
  [flow_event_kind.PACKET_DROPPED]: 'dropped',
  [flow_event_kind.PACKET_AUDITED]: 'audited',
};

export function decodeFlowEvent(raw: RawEvent): FlowEvent {
  return {
    kind: KINDS[raw.kind] ?? 'dropped',
    time: raw.time,
    ifindex: raw.ifindex,
    subject: raw.subject,
    peer: raw.peer,
    direction: directionOf(raw.direction),
    outcome: outcomeOf(raw.outcome),
    protocol: raw.protocol,
    localAddress: decodeAddress(raw.local_address),
    localPort: raw.local_port,
    remoteAddress: decodeAddress(raw.remote_address),
    remotePort: raw.remote_port,
    slot: raw.slot,
    ...(raw.has_icmp_type !== 0 && { icmpType: raw.icmp_type }),
    packets: raw.packets,
    bytes: raw.bytes,
  };
}
