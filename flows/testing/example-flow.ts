import type { Flow, FlowPeer } from '../index.ts';

export const WEB: FlowPeer = {
  address: '10.0.0.1',
  identity: 300,
  labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop'],
  namespace: 'shop',
  pod: 'web-1',
  workload: { kind: 'Deployment', name: 'web' },
};

export const API: FlowPeer = {
  address: 'fd00::2',
  identity: 301,
  labels: ['k8s:app=api', 'reserved:odd'],
  namespace: 'back',
  pod: 'api-7',
  workload: { kind: 'StatefulSet', name: 'api' },
  names: ['api.example.com'],
  service: { namespace: 'back', name: 'api' },
};

/** That `web` opened a connection to `api`, but for what is said. */
export function exampleFlow(fields: Partial<Flow> = {}): Flow {
  return {
    uuid: '00000000-0000-4000-8000-000000000000',
    time: 1_000_000_000n,
    node: 'n1',
    kind: 'connection-begun',
    verdict: 'forwarded',
    source: WEB,
    destination: API,
    protocol: 6,
    sourcePort: 40_000,
    destinationPort: 8080,
    direction: 'ingress',
    isReply: false,
    decidedBy: [],
    ...fields,
  };
}

/** What `api` answers `web`. */
export function exampleResponse(code: number, url = 'http://api/v1/users'): Flow {
  const l7 = { kind: 'http', type: 'response', method: 'GET', url, protocol: 'HTTP/1.1', code, latency: 2_500_000n } as const;
  const way = { source: API, destination: WEB, sourcePort: 8080, destinationPort: 40_000 };
  return exampleFlow({ ...way, kind: 'exchange', isReply: true, l7: { ...l7, headers: [['x-tenant', 'blue']] } });
}
