import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Endpoint,
  EndpointSchema,
  type Flow as FlowMessage,
  FlowSchema,
  FlowType,
  L7FlowType,
  type Layer4,
  Layer4Schema,
  type Layer7,
  Layer7Schema,
  type Policy,
  PolicySchema,
  TraceObservationPoint,
  TraceReason,
} from '@sluice/envoy-protos/hubble/flow_pb.js';
import { IP_PROTOCOLS, type ObjectRef } from '../../model/index.ts';
import type { Flow, FlowLayer7, FlowPeer } from '../flow.ts';
import { timestamp } from '../time.ts';
import { eventTypeOf } from './event-type.ts';
import { CLUSTER_NAME, directionOf, dropReasonOf, ipVersionOf, nodeNameOf, VERDICTS } from './names.ts';
import { summaryOf } from './summary.ts';

type FlowFields = Exclude<MessageInitShape<typeof FlowSchema>, FlowMessage>;
type Layer7Fields = Exclude<MessageInitShape<typeof Layer7Schema>, Layer7>;

/** A flow as clients of Hubble know it. */
export function flowMessage(flow: Flow): FlowMessage {
  const dropReason = dropReasonOf(flow);
  const { source, destination, isReply } = flow;
  return create(FlowSchema, {
    time: timestamp(flow.time),
    uuid: flow.uuid,
    verdict: VERDICTS[flow.verdict],
    dropReason,
    dropReasonDesc: dropReason,
    IP: { source: source.address, destination: destination.address, ipVersion: ipVersionOf(source.address) },
    l4: layer4(flow),
    source: endpoint(source),
    destination: endpoint(destination),
    Type: flow.l7 ? FlowType.L7 : FlowType.L3_L4,
    nodeName: nodeNameOf(flow),
    sourceNames: [...(source.names ?? [])],
    destinationNames: [...(destination.names ?? [])],
    ...(flow.l7 && { l7: layer7(flow.l7) }),
    reply: isReply ?? false,
    ...(isReply !== undefined && { isReply }),
    eventType: eventTypeOf(flow),
    ...(source.service && { sourceService: source.service }),
    ...(destination.service && { destinationService: destination.service }),
    trafficDirection: directionOf(flow),
    ...observed(flow),
    ...(flow.interfaceIndex !== undefined && { interface: { index: flow.interfaceIndex } }),
    proxyPort: flow.proxyPort ?? 0,
    ...(flow.traceId !== undefined && { traceContext: { parent: { traceId: flow.traceId } } }),
    ...decidedBy(flow),
    emitter: { name: 'Sluice' },
    Summary: summaryOf(flow),
  });
}

/** Where on its way Cilium would have seen it. */
function observed({ kind, verdict, direction }: Flow): FlowFields {
  if (kind === 'exchange' || kind === 'packet-dropped') return {};
  const passed = direction === 'ingress' ? TraceObservationPoint.TO_ENDPOINT : TraceObservationPoint.TO_STACK;
  return {
    traceObservationPoint: verdict === 'redirected' ? TraceObservationPoint.TO_PROXY : passed,
    traceReason: kind === 'connection-ended' ? TraceReason.ESTABLISHED : TraceReason.NEW,
  };
}

function endpoint({ identity, labels, namespace = '', pod = '', workload }: FlowPeer): Endpoint {
  return create(EndpointSchema, {
    identity,
    labels: [...labels],
    namespace,
    podName: pod,
    workloads: workload ? [workload] : [],
    ...(pod !== '' && { clusterName: CLUSTER_NAME }),
  });
}

function layer4({ protocol, sourcePort, destinationPort, icmpType, kind }: Flow): Layer4 {
  const ports = { sourcePort, destinationPort };
  // Hubble's message cannot say that there is none.
  const message = { type: icmpType ?? 0 };
  const { TCP, UDP, SCTP, ICMP, ICMPv6 } = IP_PROTOCOLS;
  switch (protocol) {
    case TCP: {
      const flags = kind === 'connection-begun' ? { flags: { SYN: true } } : {};
      return create(Layer4Schema, { protocol: { case: 'TCP', value: { ...ports, ...flags } } });
    }
    case UDP:
      return create(Layer4Schema, { protocol: { case: 'UDP', value: ports } });
    case SCTP:
      return create(Layer4Schema, { protocol: { case: 'SCTP', value: ports } });
    case ICMP:
      return create(Layer4Schema, { protocol: { case: 'ICMPv4', value: message } });
    case ICMPv6:
      return create(Layer4Schema, { protocol: { case: 'ICMPv6', value: message } });
    default:
      return create(Layer4Schema);
  }
}

function layer7(l7: FlowLayer7): Layer7 {
  const type = l7.type === 'request' ? L7FlowType.REQUEST : L7FlowType.RESPONSE;
  return create(Layer7Schema, { type, latencyNs: l7.latency ?? 0n, record: record(l7) });
}

function record(l7: FlowLayer7): NonNullable<Layer7Fields['record']> {
  if (l7.kind === 'http') {
    const { method, url, protocol, code = 0 } = l7;
    const headers = l7.headers.map(([key, value]) => ({ key, value }));
    return { case: 'http', value: { method, url, protocol, code, headers } };
  }
  if (l7.kind === 'kafka') {
    const { errorCode, apiVersion, apiKey, correlationId, topic } = l7;
    return { case: 'kafka', value: { errorCode, apiVersion, apiKey, correlationId, topic } };
  }
  const { query, addresses: ips, ttl, canonicalNames: cnames, code: rcode, queryTypes: qtypes } = l7;
  const value = { query, ips: [...ips], ttl, cnames: [...cnames], rcode, qtypes: [...qtypes], observationSource: 'proxy' };
  return { case: 'dns', value };
}

function decidedBy({ decidedBy: objects, direction, verdict }: Flow): FlowFields {
  if (objects.length === 0 || direction === undefined) return {};
  const policies = objects.map(policy);
  const isDenied = verdict === 'dropped' || verdict === 'audit';
  if (direction === 'ingress') return isDenied ? { ingressDeniedBy: policies } : { ingressAllowedBy: policies };
  return isDenied ? { egressDeniedBy: policies } : { egressAllowedBy: policies };
}

function policy({ kind, namespace, name }: ObjectRef): Policy {
  return create(PolicySchema, { kind, namespace, name });
}
