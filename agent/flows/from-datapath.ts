import { randomUUID } from 'node:crypto';
import type { FlowEvent } from '../../bpf/datapath/index.ts';
import type { Directory, Flow, FlowKind, FlowVerdict } from '../../flows/index.ts';

export interface DatapathContext {
  readonly node: string;
  readonly directory: Directory;
  /** What is to be added to the monotonic clock for the time since 1970, in nanoseconds. */
  readonly clockOffset: bigint;
}

const KINDS: Readonly<Record<FlowEvent['kind'], FlowKind>> = {
  begun: 'connection-begun',
  ended: 'connection-ended',
  dropped: 'packet-dropped',
  audited: 'packet-audited',
};

/** A flow, from what the kernel of this node tells of it. */
export function flowOfEvent(event: FlowEvent, { node, directory, clockOffset }: DatapathContext): Flow {
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

function verdictOf({ kind, outcome }: FlowEvent): FlowVerdict {
  if (kind === 'dropped') return 'dropped';
  if (kind === 'audited' || outcome === 'passed-audited') return 'audit';
  return outcome === 'passed-steered' ? 'redirected' : 'forwarded';
}
