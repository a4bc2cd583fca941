import type { Flow, FlowPeer } from '../../flows/index.ts';
import { API, exampleFlow, exampleResponse, WEB } from '../../flows/testing/example-flow.ts';

const DB: FlowPeer = {
  address: '10.0.0.7',
  identity: 302,
  labels: ['k8s:app=db', 'k8s:tier=data'],
  namespace: 'shop',
  pod: 'db-0',
  workload: { kind: 'StatefulSet', name: 'db' },
  service: { namespace: 'shop', name: 'db' },
};
const WORLD: FlowPeer = { address: '192.0.2.7', identity: 2, labels: ['reserved:world'], names: ['www.example.com'] };
const BROKER: FlowPeer = { address: '192.0.2.9', identity: 16_777_217, labels: ['cidr:192.0.2.9/32'] };
const WORLD_6: FlowPeer = { ...WORLD, address: '2001:db8::7' };

export const TRACE = '0af7651916cd43dd8448eb211c80319c';

const FLOWS = {
  opened: exampleFlow({ source: WEB, destination: DB, destinationPort: 5432 }),
  closed: exampleFlow({ source: WEB, destination: DB, destinationPort: 5432, kind: 'connection-ended' }),
  denied: exampleFlow({
    source: API,
    destination: WORLD_6,
    destinationPort: 443,
    kind: 'packet-dropped',
    verdict: 'dropped',
    reason: 'dropped-not-allowed',
    direction: 'egress',
  }),
  audited: exampleFlow({
    source: API,
    destination: WORLD_6,
    destinationPort: 80,
    kind: 'packet-audited',
    verdict: 'audit',
    direction: 'egress',
  }),
  pinged: exampleFlow({ source: WEB, destination: DB, protocol: 1, sourcePort: 0, destinationPort: 0, icmpType: 8 }),
  asked: exampleFlow({
    source: WEB,
    destination: API,
    kind: 'exchange',
    verdict: 'redirected',
    node: 'n2',
    traceId: TRACE,
    l7: {
      kind: 'http',
      type: 'request',
      method: 'POST',
      url: 'http://api/v1/users',
      protocol: 'HTTP/1.1',
      headers: [['x-tenant', 'blue']],
    },
  }),
  answered: { ...exampleResponse(404), traceId: TRACE },
  lookedUp: exampleFlow({
    source: WEB,
    destination: WORLD,
    protocol: 17,
    destinationPort: 53,
    kind: 'exchange',
    direction: 'egress',
    l7: { kind: 'dns', type: 'request', query: 'www.example.com.', queryTypes: ['A'], addresses: [], canonicalNames: [], ttl: 0, code: 0 },
  }),
  produced: exampleFlow({
    source: API,
    destination: BROKER,
    destinationPort: 9092,
    kind: 'exchange',
    direction: 'egress',
    l7: { kind: 'kafka', type: 'request', apiKey: 'produce', apiVersion: 9, correlationId: 7, topic: 'orders', errorCode: 0 },
  }),
} as const satisfies Readonly<Record<string, Flow>>;

export type KnownFlow = keyof typeof FLOWS;

/** Flows of all kinds, each with its name for an id, a second after the other. */
export function knownFlows(lastAt: Date): readonly Flow[] {
  const all = Object.entries(FLOWS);
  const last = BigInt(lastAt.getTime()) * 1_000_000n;
  return all.map(([uuid, flow], index) => ({ ...flow, uuid, time: last - BigInt(all.length - 1 - index) * 1_000_000_000n }));
}

export const ALL_KNOWN: readonly KnownFlow[] = [
  'opened',
  'closed',
  'denied',
  'audited',
  'pinged',
  'asked',
  'answered',
  'lookedUp',
  'produced',
];
