import type { FlowFilter } from '@sluice/envoy-protos/hubble/flow_pb.js';
import type { Flow, FlowPeer } from '../flow.ts';
import { eventTypeOf } from '../hubble/event-type.ts';
import { CLUSTER_NAME, directionOf, dropReasonOf, ipVersionOf, nodeNameOf, VERDICTS } from '../hubble/names.ts';
import { allOrProblem, OptionProblem } from '../option-problem.ts';
import { httpPath, httpUrl, queries, statusCode } from './exchanges.ts';
import { nodePattern } from './name-patterns.ts';
import { address, domain, labels, pod, service, workload } from './peers.ts';
import { port, protocol, tcpFlags } from './ports.ts';

export type MatchesFlow = (flow: Flow) => boolean;

/** What a filter's field means: a test of flows, made of its values. */
type Criterion = (filter: FlowFilter) => MatchesFlow | OptionProblem | undefined;

/** A field with a list of values: a flow matches where it matches any of them. */
function any<T>(valuesOf: (filter: FlowFilter) => readonly T[], make: (value: T) => MatchesFlow | OptionProblem): Criterion {
  return (filter) => {
    const values = valuesOf(filter);
    if (values.length === 0) return undefined;
    const made = allOrProblem(values.map(make));
    return made instanceof OptionProblem ? made : (flow) => made.some((matches) => matches(flow));
  };
}

/** A field that is there once for who sends and once for who receives. */
function ofPeers<T>(
  source: (filter: FlowFilter) => readonly T[],
  destination: (filter: FlowFilter) => readonly T[],
  make: (value: T) => ((peer: FlowPeer) => boolean) | OptionProblem,
): readonly Criterion[] {
  const through = (of: (flow: Flow) => FlowPeer) => (value: T) => {
    const matches = make(value);
    return matches instanceof OptionProblem ? matches : (flow: Flow) => matches(of(flow));
  };
  return [
    any(
      source,
      through((flow) => flow.source),
    ),
    any(
      destination,
      through((flow) => flow.destination),
    ),
  ];
}

const CRITERIA: readonly Criterion[] = [
  ...ofPeers(
    (filter) => filter.sourceIp,
    (filter) => filter.destinationIp,
    address,
  ),
  ...ofPeers(
    (filter) => filter.sourcePod,
    (filter) => filter.destinationPod,
    pod,
  ),
  ...ofPeers(
    (filter) => filter.sourceFqdn,
    (filter) => filter.destinationFqdn,
    domain,
  ),
  ...ofPeers(
    (filter) => filter.sourceLabel,
    (filter) => filter.destinationLabel,
    labels,
  ),
  ...ofPeers(
    (filter) => filter.sourceService,
    (filter) => filter.destinationService,
    service,
  ),
  ...ofPeers(
    (filter) => filter.sourceIdentity,
    (filter) => filter.destinationIdentity,
    (identity) => (peer) => peer.identity === identity,
  ),
  ...ofPeers(
    (filter) => filter.sourceClusterName,
    (filter) => filter.destinationClusterName,
    // Of what is no pod it is not known, as in what clients are told.
    (name) => (peer) => peer.pod !== undefined && name === CLUSTER_NAME,
  ),
  ...ofPeers(
    (filter) => filter.sourceWorkload,
    (filter) => filter.destinationWorkload,
    workload,
  ),
  any(
    (filter) => filter.sourcePort,
    (text) => port(text, (flow) => flow.sourcePort),
  ),
  any(
    (filter) => filter.destinationPort,
    (text) => port(text, (flow) => flow.destinationPort),
  ),
  any(
    (filter) => filter.verdict,
    (verdict) => (flow) => VERDICTS[flow.verdict] === verdict,
  ),
  any(
    (filter) => filter.dropReasonDesc,
    (reason) => (flow) => flow.verdict === 'dropped' && dropReasonOf(flow) === reason,
  ),
  any(
    (filter) => filter.eventType,
    (wanted) => (flow) => {
      const { type, subType } = eventTypeOf(flow);
      return (wanted.type === 0 || wanted.type === type) && (!wanted.matchSubType || wanted.subType === subType);
    },
  ),
  any(
    (filter) => filter.trafficDirection,
    (wanted) => (flow) => directionOf(flow) === wanted,
  ),
  any((filter) => filter.reply, reply),
  any((filter) => filter.protocol, protocol),
  any(
    (filter) => filter.ipVersion,
    (wanted) => (flow) => ipVersionOf(flow.source.address) === wanted,
  ),
  any((filter) => filter.tcpFlags, tcpFlags),
  any((filter) => filter.httpStatusCode, statusCode),
  any(
    (filter) => filter.httpMethod,
    (method) => (flow) => flow.l7?.kind === 'http' && flow.l7.method.toUpperCase() === method.toUpperCase(),
  ),
  any((filter) => filter.httpPath, httpPath),
  any((filter) => filter.httpUrl, httpUrl),
  any(
    (filter) => filter.httpHeader,
    ({ key, value }) =>
      (flow) =>
        flow.l7?.kind === 'http' && flow.l7.headers.some(([name, is]) => name === key && is === value),
  ),
  any((filter) => filter.dnsQuery, queries),
  any((filter) => filter.nodeName, node),
  any(
    (filter) => filter.traceId,
    (id) => (flow) => flow.traceId === id,
  ),
  any(
    (filter) => filter.uuid,
    (uuid) => (flow) => flow.uuid === uuid,
  ),
];

/** Fields that nothing here can be matched by; to leave them out would tell of flows that nobody asked for. */
const UNSUPPORTED = {
  sourceIpXlated: 'source_ip_xlated',
  interface: 'interface',
  nodeLabels: 'node_labels',
  ipTraceId: 'ip_trace_id',
  encrypted: 'encrypted',
} as const satisfies Partial<Record<keyof FlowFilter, string>>;

/** A test of flows for what is said in a filter, all of it. One that says nothing matches everything. */
export function flowFilter(filter: FlowFilter): MatchesFlow | OptionProblem {
  const unknown = unsupportedIn(filter);
  if (unknown !== undefined) return new OptionProblem(`flows cannot be chosen by ${unknown} here`);
  const made = allOrProblem(CRITERIA.map((criterion) => criterion(filter)));
  if (made instanceof OptionProblem) return made;
  const criteria = made.filter((each) => each !== undefined);
  return (flow) => criteria.every((matches) => matches(flow));
}

function unsupportedIn(filter: FlowFilter): string | undefined {
  if ((filter.experimental?.celExpression.length ?? 0) > 0) return 'CEL expressions';
  const [field] = filter.$unknown ?? [];
  if (field) return `the field ${field.no} of a filter`;
  return Object.entries(UNSUPPORTED).find(([key]) => filter[key as keyof typeof UNSUPPORTED].length > 0)?.[1];
}

/** What was dropped before anybody knew counts as no reply, as clients expect. */
function reply(wanted: boolean): MatchesFlow {
  return ({ isReply, verdict }) => (isReply ?? (verdict === 'dropped' ? false : undefined)) === wanted;
}

function node(pattern: string): MatchesFlow | OptionProblem {
  const matches = nodePattern(pattern);
  return matches instanceof OptionProblem ? matches : (flow) => matches(nodeNameOf(flow));
}
