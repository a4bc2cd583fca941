import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EndpointSlice, Service } from '../../kube/index.ts';
import { settingsSchema } from '../../settings/index.ts';
import { endpointSliceObject, ingressObject, type MetadataInput, serviceObject } from '../../testkit/kube-objects.ts';
import { type IngressSituation, reconcileIngress } from './ingress-objects.ts';
import type { NodeEndpoint } from './nodes.ts';

const PLACEMENTS = {
  balanced: { kind: 'load-balancer', namespace: 'sluice-system' },
  host: { kind: 'host-network', namespace: 'sluice-system', sharedPort: 8080 },
} as const;
const OWNER = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'web', uid: 'u1', controller: true };
const OURS = { 'cilium.io/ingress': 'true', 'app.kubernetes.io/managed-by': 'sluice' };
const LB = [{ ip: '192.0.2.100' }];
const SERVICE_PORTS = [
  { name: 'http', port: 80, nodePort: 31_000 },
  { name: 'https', port: 443, nodePort: 31_001 },
];
const SLICE_LABELS = {
  ...OURS,
  'kubernetes.io/service-name': 'cilium-ingress-web',
  'endpointslice.kubernetes.io/managed-by': 'ingress.sluice.io',
};

const NODE: NodeEndpoint = { address: '192.0.2.1', nodeName: 'one', ready: true, serving: true, terminating: false };

function told(ingress: readonly object[]) {
  return { loadBalancer: { ingress } };
}

function service(spec: object = {}, metadata: MetadataInput = {}, addresses: readonly object[] = LB): Service {
  const own = { name: 'cilium-ingress-web', namespace: 'shop', uid: 's1', labels: OURS, ownerReferences: [OWNER] };
  return serviceObject({ type: 'LoadBalancer', ports: SERVICE_PORTS, ...spec }, { ...own, ...metadata }, told(addresses));
}

function slice(metadata: MetadataInput = {}): EndpointSlice {
  const own = { name: 'cilium-ingress-web', namespace: 'shop', uid: 'e1', labels: SLICE_LABELS, ownerReferences: [OWNER] };
  const endpoint = { addresses: [NODE.address], conditions: { ready: true, serving: true, terminating: false }, nodeName: NODE.nodeName };
  const ports = ['http', 'https'].map((name) => ({ name, port: 23_456 }));
  return endpointSliceObject({ endpoints: [endpoint], ports }, { ...own, ...metadata });
}

const SHARED = service({}, { name: 'cilium-ingress', namespace: 'sluice-system', ownerReferences: [] }, [{ hostname: 'shared.test' }]);

interface Case extends Partial<Pick<IngressSituation, 'mode' | 'port'>> {
  readonly at?: keyof typeof PLACEMENTS;
  readonly metadata?: MetadataInput;
  /** Null for none. */
  readonly uid?: null;
  /** What the Ingress tells. */
  readonly addresses?: readonly object[];
  readonly objects?: readonly (Service | EndpointSlice)[];
  readonly settings?: object;
  readonly nodes?: readonly NodeEndpoint[];
}

function reconcile(given: Case) {
  const { at = 'balanced', metadata = {}, addresses = [], objects = [], settings = {}, nodes = [NODE] } = given;
  const ingress = ingressObject(
    {},
    { name: 'web', namespace: 'shop', ...(given.uid !== null && { uid: 'u1' }), ...metadata },
    told(addresses),
  );
  const services = objects.filter((object) => object.kind === 'Service');
  const slices = objects.filter((object) => object.kind === 'EndpointSlice');
  const situation = {
    placement: PLACEMENTS[at],
    mode: 'mode' in given ? given.mode : ('dedicated' as const),
    port: 'port' in given ? given.port : 23_456,
    settings: settingsSchema.parse({ ingress: settings }).ingress,
  };
  const { actions, diagnostics } = reconcileIngress(ingress, situation, {
    service: (ref) => services.find(({ metadata: { name, namespace } }) => name === ref.name && namespace === ref.namespace),
    slice: (ref) => slices.find(({ metadata: { name, namespace } }) => name === ref.name && namespace === ref.namespace),
    slicesOf: (ref) => slices.filter(({ metadata: { labels } }) => labels['kubernetes.io/service-name'] === ref.name),
    nodes: () => ({ IPv4: nodes, IPv6: [] }),
  });
  return {
    actions: actions.map((action) => {
      const what = action.kind === 'status' ? JSON.stringify(Object(action.manifest['status']).loadBalancer.ingress) : action.ref.kind;
      return `${action.kind} ${what}`;
    }),
    codes: diagnostics.map(({ code }) => code),
    diagnostics,
  };
}

const CLASS = { 'ingress.cilium.io/loadbalancer-class': 'a/new' };
const GONE = '2026-01-01T00:00:00Z';
const NOT_OURS = { mode: undefined } as const;
const MADE = [service(), slice()];
const ADOPTED = service({}, { labels: { 'cilium.io/ingress': 'true' } });

const CASES: readonly (readonly [name: string, given: Case, actions: readonly string[], codes?: readonly string[]])[] = [
  ['a new one', {}, ['apply Service', 'apply EndpointSlice']],
  ['one whose address is not known yet', { objects: [service({}, {}, []), slice()] }, []],
  ['one whose address is', { objects: MADE }, ['status [{"ip":"192.0.2.100"}]']],
  ['one that has all', { objects: MADE, addresses: LB }, []],
  ['one whose Service lost its address', { objects: [service({}, {}, []), slice()], addresses: LB }, ['status []']],
  ['one whose Service was deleted', { objects: [slice()], addresses: LB }, ['apply Service', 'status []']],
  ['one that Cilium served', { objects: [ADOPTED], addresses: LB }, ['apply Service', 'apply EndpointSlice']],
  ['one that goes away', { metadata: { deletionTimestamp: GONE }, objects: MADE }, []],
  ['one in a file', { uid: null }, []],
  ['one whose name is taken', { objects: [service({}, { ownerReferences: [] })], addresses: LB }, ['status []'], ['ServiceNameTaken']],
  ['one whose slice is taken', { objects: [service(), slice({ ownerReferences: [] })], addresses: LB }, [], ['ServiceNameTaken']],
  ['one whose Service is still that of an earlier one', { objects: [service({}, { ownerReferences: [{ ...OWNER, uid: 'u0' }] })] }, []],
  ['one for which no port is left', { port: undefined, objects: [service()], addresses: LB }, [], ['PortsExhausted']],
  ['one that wants another class', { metadata: { annotations: CLASS }, objects: MADE, addresses: LB }, [], ['LoadBalancerClassFixed']],
  ['one with a defaulted class', { objects: [service({ loadBalancerClass: 'a/default' }), slice()], addresses: LB }, []],
  [
    'one with the class that it wants',
    { metadata: { annotations: CLASS }, objects: [service({ loadBalancerClass: 'a/new' }), slice()], addresses: LB },
    [],
  ],
  [
    'one whose class the settings want otherwise',
    { settings: { service: { loadBalancerClass: 'b' } }, objects: MADE, addresses: LB },
    [],
    ['LoadBalancerClassFixed'],
  ],
  [
    'one of which a label is copied',
    { metadata: { labels: { 'lbipam.cilium.io/a': 'b' } }, objects: MADE, addresses: LB },
    ['apply Service'],
  ],

  ['a shared one', { mode: 'shared', objects: [SHARED] }, ['status [{"hostname":"shared.test"}]']],
  ['a shared one without Service', { mode: 'shared' }, []],
  [
    'a shared one of a Service that is not ours',
    { mode: 'shared', objects: [service({}, { name: 'cilium-ingress', namespace: 'sluice-system', labels: {} })] },
    [],
  ],
  [
    'one that is shared now',
    { mode: 'shared', objects: [...MADE, SHARED], addresses: LB },
    ['delete Service', 'delete EndpointSlice', 'status [{"hostname":"shared.test"}]'],
  ],
  ['one that is shared now, and has a Service of Cilium', { mode: 'shared', objects: [ADOPTED] }, []],

  ['one on the network of nodes', { at: 'host' }, ['status [{"ip":"192.0.2.1"}]']],
  ['one there without ready nodes', { at: 'host', nodes: [{ ...NODE, ready: false }], addresses: LB }, ['status []']],
  [
    'one that has moved there',
    { at: 'host', objects: MADE, addresses: LB },
    ['delete Service', 'delete EndpointSlice', 'status [{"ip":"192.0.2.1"}]'],
  ],

  ['one of another controller', NOT_OURS, []],
  ['one that was never ours and has a status', { ...NOT_OURS, addresses: [{ ip: '203.0.113.1' }] }, []],
  ['one that was ours, first', { ...NOT_OURS, objects: MADE, addresses: LB }, ['status []']],
  ['one that was ours, then', { ...NOT_OURS, objects: MADE }, ['delete Service', 'delete EndpointSlice']],
  [
    'one that was ours and tells what another says',
    { ...NOT_OURS, objects: MADE, addresses: [{ ip: '203.0.113.1' }] },
    ['delete Service', 'delete EndpointSlice'],
  ],
  ['one that was shared', { ...NOT_OURS, objects: [SHARED], addresses: [{ hostname: 'shared.test' }] }, ['status []']],
  ["one that was Cilium's", { ...NOT_OURS, objects: [ADOPTED], addresses: LB }, []],
  ["one that was on nodes, whose addresses may be the new controller's", { ...NOT_OURS, at: 'host', addresses: [{ ip: '192.0.2.1' }] }, []],
];

describe('what is done for an Ingress', () => {
  for (const [name, given, actions, codes = []] of CASES) {
    it(`${name}: ${actions.join(', ') || 'nothing'}`, () => {
      const found = reconcile(given);
      assert.deepEqual([found.actions, found.codes], [actions, codes]);
    });
  }

  const messages: readonly (readonly [given: Case, message: string])[] = [
    [{ metadata: { annotations: CLASS }, objects: MADE }, 'Service "cilium-ingress-web" keeps the default class until it is deleted'],
    [
      { metadata: { annotations: CLASS }, objects: [service({ loadBalancerClass: 'a/old' }), slice()] },
      'Service "cilium-ingress-web" keeps class "a/old" until it is deleted',
    ],
    [{ objects: [service({}, { ownerReferences: [] })] }, 'Service "shop/cilium-ingress-web" exists, and this Ingress does not control it'],
    [{ port: undefined }, 'no port of the nodes is free for this Ingress'],
  ];
  for (const [given, message] of messages) {
    it(`says: ${message}`, () => {
      const { diagnostics } = reconcile(given);
      assert.deepEqual(
        diagnostics.map((found) => [found.message, found.object]),
        [[message, { kind: 'Ingress', namespace: 'shop', name: 'web' }]],
      );
    });
  }
});
