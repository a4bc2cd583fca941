import { randomUUID } from 'node:crypto';
import { type FlowEvent, FlowEvent_Kind } from '@sluice/envoy-protos/sluice/node/v1/flows_pb.js';
import { decodeAddress } from '../../bpf/datapath/index.ts';
import type { Directory, Flow, FlowKind, FlowVerdict } from '../../flows/index.ts';
import { IP_PROTOCOLS, type ObjectRef } from '../../model/index.ts';
import type { Deciders } from './deciders.ts';

export interface DatapathContext {
  readonly node: string;
  readonly directory: Pick<Directory, 'peerOf'>;
  readonly deciders: Pick<Deciders, 'of'>;
}

const KINDS: Readonly<Record<FlowEvent_Kind, FlowKind | undefined>> = {
  [FlowEvent_Kind.KIND_UNSPECIFIED]: undefined,
  [FlowEvent_Kind.BEGUN]: 'connection-begun',
  [FlowEvent_Kind.ENDED]: 'connection-ended',
  [FlowEvent_Kind.DROPPED]: 'packet-dropped',
  [FlowEvent_Kind.AUDITED]: 'packet-audited',
};

const ADDRESS_BYTES = 16;

/** Types of ICMP and of ICMPv6. @see https://www.rfc-editor.org/rfc/rfc792 and https://www.rfc-editor.org/rfc/rfc4443#section-4 */
const [ECHO_REPLY, ECHO_REQUEST] = [0, 8];
const [ECHO_REQUEST_6, ECHO_REPLY_6] = [128, 129];

/** A flow, from what the enforcer of this node tells of it; undefined where this version does not understand it. */
export function flowOfEvent(event: FlowEvent, { node, directory, deciders }: DatapathContext): Flow | undefined {
  const kind = KINDS[event.kind];
  if (kind === undefined || event.localAddress.length !== ADDRESS_BYTES || event.remoteAddress.length !== ADDRESS_BYTES) return undefined;
  const local = { peer: directory.peerOf(decodeAddress(event.localAddress), event.subject), port: event.localPort };
  const remote = { peer: directory.peerOf(decodeAddress(event.remoteAddress), event.peer), port: event.remotePort };
  const [from, to] = event.isEgress ? [local, remote] : [remote, local];
  const isConnection = kind === 'connection-begun' || kind === 'connection-ended';
  return {
    uuid: randomUUID(),
    time: event.time,
    node,
    kind,
    verdict: verdictOf(kind, event.outcome),
    ...(kind === 'packet-dropped' && { reason: event.outcome }),
    source: from.peer,
    destination: to.peer,
    protocol: event.protocol,
    sourcePort: from.port,
    destinationPort: to.port,
    ...(event.icmpType !== undefined && { icmpType: event.icmpType }),
    direction: event.isEgress ? 'egress' : 'ingress',
    ...(isConnection && { isReply: false }),
    ...(event.slot !== 0 && { proxyPort: event.slot }),
    decidedBy: decidersOf(event, deciders),
    ...(kind === 'connection-ended' && { traffic: { packets: event.packets, bytes: event.bytes } }),
    interfaceIndex: event.ifindex,
  };
}

/** What names no place that a rule could be about was decided by nobody who could be named. */
function decidersOf(event: FlowEvent, deciders: DatapathContext['deciders']): readonly ObjectRef[] {
  const { subject, peer, isEgress, protocol, outcome } = event;
  const port = judgedPort(event);
  return port === undefined ? [] : deciders.of({ subject, peer, direction: isEgress ? 'egress' : 'ingress', protocol, port, outcome });
}

/** Of ICMP the type. Verdicts are asked about an echo by its request, also where the reply was seen. */
function judgedPort({ protocol, icmpType, isEgress, localPort, remotePort }: FlowEvent): number | undefined {
  switch (protocol) {
    case IP_PROTOCOLS.ICMP:
      return icmpType === ECHO_REPLY ? ECHO_REQUEST : icmpType;
    case IP_PROTOCOLS.ICMPv6:
      return icmpType === ECHO_REPLY_6 ? ECHO_REQUEST_6 : icmpType;
    default:
      return isEgress ? remotePort : localPort;
  }
}

function verdictOf(kind: FlowKind, outcome: string): FlowVerdict {
  if (kind === 'packet-dropped') return 'dropped';
  if (kind === 'packet-audited' || outcome === 'passed-audited') return 'audit';
  return outcome === 'passed-steered' ? 'redirected' : 'forwarded';
}
