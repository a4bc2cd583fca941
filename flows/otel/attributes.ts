import { DropReason } from '@sluice/envoy-protos/hubble/flow_pb.js';
import type { Flow, FlowLayer7, FlowPeer } from '../flow.ts';
import { knownMethod } from '../http-methods.ts';
import { dropReasonOf, PROTOCOL_NAMES } from '../hubble/names.ts';

export type AttributeValue = string | number | boolean | string[];
export type FlowAttributes = Record<string, AttributeValue>;

/**
 * What a flow says, by OpenTelemetry's names where it has one, else by those of Hubble after `hubble.`.
 * @see https://opentelemetry.io/docs/specs/semconv/
 */
export function attributesOf(flow: Flow): FlowAttributes {
  const { source, destination, sourcePort, destinationPort, verdict } = flow;
  return defined({
    'hubble.uuid': flow.uuid,
    'hubble.kind': flow.kind,
    'hubble.verdict': verdict,
    'hubble.drop_reason': verdict === 'dropped' ? DropReason[dropReasonOf(flow)] : undefined,
    'hubble.traffic_direction': flow.direction,
    'hubble.is_reply': flow.isReply,
    'hubble.decided_by': listed(flow.decidedBy.map(({ kind, namespace, name }) => [kind, namespace, name].filter(Boolean).join('/'))),
    'hubble.request_id': flow.requestId,
    'k8s.node.name': flow.node,
    'network.transport': PROTOCOL_NAMES.get(flow.protocol)?.toLowerCase() ?? String(flow.protocol),
    'network.type': source.address.includes(':') ? 'ipv6' : 'ipv4',
    'source.address': source.address,
    'source.port': portOf(sourcePort),
    'destination.address': destination.address,
    'destination.port': portOf(destinationPort),
    ...peer('source', source),
    ...peer('destination', destination),
    ...(flow.l7 && exchange(flow.l7)),
    'hubble.traffic.packets': flow.traffic && Number(flow.traffic.packets),
    'hubble.traffic.bytes': flow.traffic && Number(flow.traffic.bytes),
  });
}

type Fields = Record<string, AttributeValue | undefined>;
type Side = 'source' | 'destination';

/** Directories give one object for all flows of a peer. */
const KNOWN: Readonly<Record<Side, WeakMap<FlowPeer, FlowAttributes>>> = { source: new WeakMap(), destination: new WeakMap() };

function peer(side: Side, peer: FlowPeer): FlowAttributes {
  const known = KNOWN[side].get(peer);
  if (known) return known;
  const made = attributesOfPeer(`hubble.${side}`, peer);
  KNOWN[side].set(peer, made);
  return made;
}

function attributesOfPeer(at: string, { identity, labels, namespace, pod, workload, names = [], service }: FlowPeer): FlowAttributes {
  return defined({
    [`${at}.identity`]: identity,
    [`${at}.labels`]: listed(labels),
    [`${at}.namespace`]: namespace,
    [`${at}.pod`]: pod,
    [`${at}.workload`]: workload && `${workload.kind}/${workload.name}`,
    [`${at}.names`]: listed(names),
    [`${at}.service`]: service && `${service.namespace}/${service.name}`,
  });
}

function exchange(l7: FlowLayer7): Fields {
  const common = { 'hubble.l7.type': l7.type, 'hubble.l7.latency_ns': l7.latency === undefined ? undefined : Number(l7.latency) };
  if (l7.kind === 'http') {
    const method = knownMethod(l7.method);
    return {
      ...common,
      'http.request.method': method,
      'http.request.method_original': method === l7.method || l7.method === '' ? undefined : l7.method,
      'url.full': l7.url,
      'network.protocol.name': 'http',
      'network.protocol.version': l7.protocol.split('/')[1],
      'http.response.status_code': l7.type === 'response' ? l7.code : undefined,
      ...Object.fromEntries(l7.headers.map(([name, value]) => [`http.${l7.type}.header.${name}`, [value]])),
    };
  }
  if (l7.kind === 'kafka') {
    return {
      ...common,
      'network.protocol.name': 'kafka',
      'messaging.system': 'kafka',
      'messaging.operation.name': l7.apiKey,
      'messaging.destination.name': l7.topic || undefined,
      'hubble.kafka.api_version': l7.apiVersion,
      'hubble.kafka.correlation_id': l7.correlationId,
      'hubble.kafka.error_code': l7.type === 'response' ? l7.errorCode : undefined,
    };
  }
  return {
    ...common,
    'network.protocol.name': 'dns',
    'dns.question.name': l7.query,
    'hubble.dns.query_types': listed(l7.queryTypes),
    'dns.answers': listed(l7.addresses),
    'hubble.dns.code': l7.type === 'response' ? l7.code : undefined,
  };
}

function portOf(port: number): number | undefined {
  return port === 0 ? undefined : port;
}

function listed(values: readonly string[]): string[] | undefined {
  return values.length === 0 ? undefined : [...values];
}

function defined(fields: Fields): FlowAttributes {
  const kept: FlowAttributes = {};
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
