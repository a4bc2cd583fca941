import { randomUUID } from 'node:crypto';
import type { Direction, Identity } from '../model/index.ts';
import type { Directory } from './directory.ts';
import type { Flow, FlowKind, FlowVerdict } from './flow.ts';

/** What the kernel tells of connections and packets: see `bpf/datapath/flows.ts`. */
export interface DatapathEvent {
  readonly kind: 'begun' | 'ended' | 'dropped' | 'audited';
  /** Nanoseconds of the monotonic clock. */
  readonly time: bigint;
  readonly ifindex: number;
  readonly subject: Identity;
  readonly peer: Identity;
  readonly direction: Direction;
  readonly outcome: string;
  readonly protocol: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly slot: number;
  readonly icmpType: number;
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface DatapathContext {
  readonly node: string;
  readonly directory: Directory;
  /** What is to be added to the monotonic clock for the time since 1970, in nanoseconds. */
  readonly clockOffset: bigint;
}

const KINDS: Readonly<Record<DatapathEvent['kind'], FlowKind>> = {
  begun: 'connection-begun',
  ended: 'connection-ended',
  dropped: 'packet-dropped',
  audited: 'packet-audited',
};

/** A flow, from what the kernel of this node tells of it. */
export function flowOfEvent(event: DatapathEvent, { node, directory, clockOffset }: DatapathContext): Flow {
  const local = { peer: directory.peerOf(event.localAddress, event.subject), port: event.localPort };
  const remote = { peer: directory.peerOf(event.remoteAddress, event.peer), port: event.remotePort };
  const [from, to] = event.direction === 'egress' ? [local, remote] : [remote, local];
  const isDrop = event.kind === 'dropped';
  const isConnection = event.kind === 'begun' || event.kind === 'ended';
  return {
    uuid: randomUUID(),
    time: event.time + clockOffset,
    node,
    kind: KINDS[event.kind],
    verdict: verdictOf(event),
    ...(isDrop && { reason: event.outcome }),
    source: from.peer,
    destination: to.peer,
    protocol: event.protocol,
    sourcePort: from.port,
    destinationPort: to.port,
    ...(event.icmpType !== 0 && { icmpType: event.icmpType }),
    direction: event.direction,
    ...(isConnection && { isReply: false }),
    ...(event.slot !== 0 && { proxyPort: event.slot }),
    decidedBy: [],
    ...(event.kind === 'ended' && { traffic: { packets: event.packets, bytes: event.bytes } }),
    interfaceIndex: event.ifindex,
  };
}

function verdictOf({ kind, outcome }: DatapathEvent): FlowVerdict {
  if (kind === 'dropped') return 'dropped';
  if (kind === 'audited' || outcome === 'passed-audited') return 'audit';
  return outcome === 'passed-steered' ? 'redirected' : 'forwarded';
}
