import type { BpfMap, Codec } from 'libbpf-ts';
import type { Direction, Identity } from '../../model/index.ts';
import { type Outcome, outcomeOf } from './counters.ts';
import { type connection, type connection_key, direction as DIRECTIONS } from './gen/policy.ts';
import { decodeAddress } from './prefix.ts';

export type ConnectionKey = typeof connection_key extends Codec<infer T> ? T : never;
export type ConnectionValue = typeof connection extends Codec<infer T> ? T : never;

/** A connection as one endpoint sees it. Of an echo, the port at the side that asks is its identifier. */
export interface Connection {
  readonly ifindex: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly protocol: number;
  /** `egress`: the pod opened it. */
  readonly opened: Direction;
  /** Whom verdicts were asked about. */
  readonly peer: Identity;
  /** What they said last. */
  readonly outcome: Outcome;
  /** The port of Envoy's listener that has it; 0: it goes by none. */
  readonly slot: number;
  readonly isAnswered: boolean;
  readonly isClosing: boolean;
  readonly packets: bigint;
  readonly bytes: bigint;
  /** Nanoseconds of the monotonic clock. */
  readonly lastSeen: bigint;
}

const FINS_OF_BOTH = 3;

/** Those that are remembered, some of which may be over; in no order. */
export function* readConnections(map: BpfMap<ConnectionKey, ConnectionValue>): Generator<Connection> {
  for (const [key, value] of map.entries()) yield decodeConnection(key, value);
}

export function directionOf(number: number): Direction {
  return number === DIRECTIONS.INGRESS ? 'ingress' : 'egress';
}

export function decodeConnection(key: ConnectionKey, value: ConnectionValue): Connection {
  return {
    ifindex: key.ifindex,
    localAddress: decodeAddress(key.local_address),
    localPort: key.local_port,
    remoteAddress: decodeAddress(key.remote_address),
    remotePort: key.remote_port,
    protocol: key.protocol,
    opened: directionOf(value.opened),
    peer: value.peer,
    outcome: outcomeOf(value.outcome),
    slot: value.slot,
    isAnswered: value.is_answered === 1,
    isClosing: value.is_reset === 1 || value.fins === FINS_OF_BOTH,
    packets: value.packets,
    bytes: value.bytes,
    lastSeen: value.last_seen,
  };
}
