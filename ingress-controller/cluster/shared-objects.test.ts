import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '../../kube/index.ts';
import { settingsSchema } from '../../settings/index.ts';
import { endpointSliceObject, type MetadataInput, serviceObject } from '../../testkit/kube-objects.ts';
import type { NodeEndpoint } from './nodes.ts';
import { reconcileShared } from './shared-objects.ts';

const PLACEMENTS = {
  balanced: { kind: 'load-balancer', namespace: 'sluice-system' },
  host: { kind: 'host-network', namespace: 'sluice-system', sharedPort: 8080 },
} as const;
const OURS = { 'cilium.io/ingress': 'true', 'app.kubernetes.io/managed-by': 'sluice' };
const NODE: NodeEndpoint = { address: '192.0.2.1', nodeName: undefined, ready: true, serving: true, terminating: false };
const OWN = { name: 'cilium-ingress', namespace: 'sluice-system', uid: 'x' };

function service(metadata: MetadataInput = {}): Service {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'https', port: 443 },
  ];
  return serviceObject({ type: 'LoadBalancer', ports }, { ...OWN, labels: OURS, ...metadata });
}

function slice(metadata: MetadataInput = {}): EndpointSlice {
  const labels = {
    ...OURS,
    'kubernetes.io/service-name': 'cilium-ingress',
    'endpointslice.kubernetes.io/managed-by': 'ingress.sluice.io',
  };
  const ports = [
    { name: 'http', port: 20_000 },
    { name: 'https', port: 20_001 },
  ];
  const endpoints = [{ addresses: [NODE.address], conditions: { ready: true, serving: true, terminating: false } }];
  return endpointSliceObject({ endpoints, ports }, { ...OWN, labels, ...metadata });
}

interface Case {
  readonly at?: keyof typeof PLACEMENTS;
  readonly isUsed?: boolean;
  readonly objects?: readonly (Service | EndpointSlice)[];
  readonly nodes?: readonly NodeEndpoint[];
  readonly settings?: object;
}

function reconcile({ at = 'balanced', isUsed = true, objects = [], nodes = [NODE], settings = {} }: Case) {
  const services = objects.filter((object) => object.kind === 'Service');
  const slices = objects.filter((object) => object.kind === 'EndpointSlice');
  const parsed = settingsSchema.parse({ ingress: { service: settings } }).ingress;
  const { actions, diagnostics } = reconcileShared(
    { placement: PLACEMENTS[at], isUsed, settings: parsed },
    {
      service: ({ name }) => services.find(({ metadata }) => metadata.name === name),
      slice: ({ name }) => slices.find(({ metadata }) => metadata.name === name),
      slicesOf: ({ name }) => slices.filter(({ metadata }) => metadata.labels['kubernetes.io/service-name'] === name),
      nodes: () => ({ IPv4: nodes, IPv6: [] }),
    },
  );
  return {
    actions: actions.map(({ kind, ref }) => `${kind} ${ref.kind}`),
    codes: diagnostics.map(({ code, object }) => `${object?.name} ${code}`),
    manifests: actions.flatMap((action) => (action.kind === 'apply' ? [action.manifest] : [])),
  };
}

const BOTH = [service(), slice()];
const GOING = '2026-01-01T00:00:00Z';

describe('what is done for shared Ingresses', () => {
  const cases: readonly (readonly [name: string, given: Case, actions: readonly string[], codes?: readonly string[]])[] = [
    ['nothing without them', { isUsed: false }, []],
    ['a Service for the first', {}, ['apply Service', 'apply EndpointSlice']],
    ['nothing once it is there', { objects: BOTH }, []],
    ['nothing when the last is gone', { objects: BOTH, isUsed: false }, []],
    ['new nodes even then', { objects: BOTH, isUsed: false, nodes: [] }, ['apply EndpointSlice'], ['sluice-nodes NoNodes']],
    ['other settings', { objects: BOTH, settings: { type: 'NodePort', insecureNodePort: 30_080 } }, ['apply Service']],
    ['nothing to what is not ours', { objects: [service({ labels: {} })] }, [], ['cilium-ingress ServiceNameTaken']],
    ['not a word of that if nobody wants it', { objects: [service({ labels: {} })], isUsed: false }, []],
    [
      'the Service, not a slice that is not ours',
      { objects: [slice({ labels: {} })] },
      ['apply Service'],
      ['cilium-ingress ServiceNameTaken'],
    ],
    ['nothing while the Service goes away', { objects: [service({ deletionTimestamp: GOING })] }, []],
    ['both deleted where nodes have ports of their own', { at: 'host', objects: BOTH }, ['delete Service', 'delete EndpointSlice']],
    ['nothing of others deleted there', { at: 'host', objects: [service({ labels: {} }), slice({ labels: {} })] }, []],
    ['a word where no node is ready', { isUsed: false, nodes: [{ ...NODE, ready: false }] }, [], ['sluice-nodes NoNodes']],
    ['a word of it there too', { at: 'host', isUsed: false, nodes: [] }, [], ['sluice-nodes NoNodes']],
  ];
  for (const [name, given, actions, codes = []] of cases) {
    it(name, () => {
      const found = reconcile(given);
      assert.deepEqual([found.actions, found.codes], [actions, codes]);
    });
  }

  it('the Service is as the settings say, and nobody owns it', () => {
    const settings = {
      type: 'NodePort',
      insecureNodePort: 30_080,
      externalTrafficPolicy: 'Local',
      labels: { a: 'b' },
      annotations: { c: 'd' },
    };
    const [manifest] = reconcile({ settings }).manifests;
    assert.deepEqual(manifest, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name: 'cilium-ingress',
        namespace: 'sluice-system',
        labels: { a: 'b', ...OURS },
        annotations: { c: 'd', 'ingress.sluice.io/copied': 'a,c' },
      },
      spec: {
        type: 'NodePort',
        externalTrafficPolicy: 'Local',
        ports: [
          { name: 'http', port: 80, protocol: 'TCP', nodePort: 30_080 },
          { name: 'https', port: 443, protocol: 'TCP' },
        ],
      },
    });
  });
});
