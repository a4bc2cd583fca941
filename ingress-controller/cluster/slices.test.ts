import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Action, EndpointSlice } from '../../kube/index.ts';
import { endpointSliceObject, ingressObject, type MetadataInput } from '../../testkit/kube-objects.ts';
import { Report } from '../report.ts';
import { sliceName } from './names.ts';
import type { NodeEndpoint } from './nodes.ts';
import { ownershipByIngress } from './ownership.ts';
import { compareSlice, type WantedSlice } from './slice.ts';
import { compareSlices, withdrawSlices } from './slices.ts';

const SERVICE = 'cilium-ingress-web';
const OWNER = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'web', uid: 'u1', controller: true };
const INGRESS = ingressObject({}, { name: 'web', namespace: 'shop', uid: 'u1' });
const LABELS = {
  'cilium.io/ingress': 'true',
  'app.kubernetes.io/managed-by': 'sluice',
  'kubernetes.io/service-name': SERVICE,
  'endpointslice.kubernetes.io/managed-by': 'ingress.sluice.io',
};
const PORTS = [
  { name: 'http', port: 23_456, protocol: 'TCP' },
  { name: 'https', port: 23_456, protocol: 'TCP' },
];

function node(address: string, nodeName: string | undefined = `node-${address}`): NodeEndpoint {
  return { address, nodeName, ready: true, serving: true, terminating: false };
}

function endpoint(address: string, fields: object = {}) {
  return { addresses: [address], conditions: { ready: true, serving: true, terminating: false }, nodeName: `node-${address}`, ...fields };
}

function many(count: number): readonly NodeEndpoint[] {
  return Array.from({ length: count }, (_, index) => node(`10.0.${index >> 8}.${index & 255}`, undefined));
}

function slice(content: object = {}, metadata: MetadataInput = {}): EndpointSlice {
  const own = { name: SERVICE, namespace: 'shop', uid: 'e1', labels: LABELS, ownerReferences: [OWNER] };
  return endpointSliceObject({ endpoints: [endpoint('192.0.2.1')], ports: PORTS, ...content }, { ...own, ...metadata });
}

describe('an EndpointSlice', () => {
  const want: WantedSlice = {
    namespace: 'shop',
    name: SERVICE,
    service: SERVICE,
    addressType: 'IPv4',
    nodes: [node('192.0.2.1')],
    ports: { http: 23_456, https: 23_456 },
    ownerReferences: [OWNER],
  };

  it('names the nodes and the port, and its owner', () => {
    assert.deepEqual(compareSlice({ ...want, nodes: [node('192.0.2.1'), { ...node('192.0.2.2'), nodeName: undefined }] }, undefined), {
      kind: 'apply',
      ref: { kind: 'EndpointSlice', namespace: 'shop', name: SERVICE },
      manifest: {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: SERVICE, namespace: 'shop', labels: LABELS, ownerReferences: [OWNER] },
        addressType: 'IPv4',
        endpoints: [endpoint('192.0.2.1'), { addresses: ['192.0.2.2'], conditions: { ready: true, serving: true, terminating: false } }],
        ports: PORTS,
      },
    });
  });

  it('may name nothing', () => {
    assert.equal(compareSlice({ ...want, nodes: [] }, slice({ endpoints: [] })), undefined);
    assert.equal(compareSlice({ ...want, nodes: [] }, slice())?.kind, 'apply');
  });

  const cases: readonly (readonly [name: string, actual: EndpointSlice, kind: Action['kind'] | undefined])[] = [
    ['is as wanted', slice(), undefined],
    ['has labels of others', slice({}, { labels: { ...LABELS, x: 'y' } }), undefined],
    ['names another node', slice({ endpoints: [endpoint('192.0.2.2')] }), 'apply'],
    ['names none', slice({ endpoints: [] }), 'apply'],
    ['has another name of the node', slice({ endpoints: [endpoint('192.0.2.1', { nodeName: 'other' })] }), 'apply'],
    ['says otherwise of readiness', slice({ endpoints: [endpoint('192.0.2.1', { conditions: { ready: false } })] }), 'apply'],
    ['has another port', slice({ ports: PORTS.map((port) => ({ ...port, port: 20_002 })) }), 'apply'],
    ['has a port without a name', slice({ ports: [{ port: 9999 }] }), 'apply'],
    ['lacks a label', slice({}, { labels: { ...LABELS, 'kubernetes.io/service-name': 'other' } }), 'apply'],
    ['has another address type, which cannot change', slice({ addressType: 'IPv6', endpoints: [] }), 'delete'],
  ];
  for (const [name, actual, kind] of cases) {
    it(`that ${name}: ${kind ?? 'nothing'}`, () => {
      const action = compareSlice(want, actual);
      assert.deepEqual([action?.kind, action?.uid], kind === undefined ? [undefined, undefined] : [kind, 'e1']);
    });
  }
});

interface Given {
  readonly IPv4?: readonly NodeEndpoint[];
  readonly IPv6?: readonly NodeEndpoint[];
  readonly present?: readonly EndpointSlice[];
}

function compare({ IPv4 = [node('192.0.2.1')], IPv6 = [], present = [] }: Given) {
  const report = new Report({ kind: 'Ingress', namespace: 'shop', name: 'web' });
  const wanted = {
    namespace: 'shop',
    service: SERVICE,
    nodes: { IPv4, IPv6 },
    ports: { http: 23_456, https: 23_456 },
    ownerReferences: [OWNER],
  };
  const presentSlices = presentOf(present);
  const actions = compareSlices(wanted, presentSlices, report).filter((action) => action !== undefined);
  return {
    actions: actions.map(({ kind, ref }) => `${kind} ${ref.name}`),
    codes: report.diagnostics.map(({ code }) => code),
    messages: report.diagnostics.map(({ message }) => message),
  };
}

function presentOf(present: readonly EndpointSlice[]) {
  return {
    named: ({ name }: { readonly name: string }) => present.find(({ metadata }) => metadata.name === name),
    all: present.filter(({ metadata }) => metadata.labels['kubernetes.io/service-name'] === SERVICE),
    ownership: (one: EndpointSlice | undefined) => ownershipByIngress(one, INGRESS),
  };
}

const SIX = sliceName(SERVICE, 'IPv6', '');
const SECOND = sliceName(SERVICE, 'IPv4', '1');
const MIRRORED = {
  'cilium.io/ingress': 'true',
  'kubernetes.io/service-name': SERVICE,
  'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
};

function foreign(name: string, ports: readonly object[], endpoints: readonly object[] = [{ addresses: ['192.192.192.192'] }]) {
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Endpoints', name: SERVICE, uid: 'x', controller: true }];
  return slice({ ports, endpoints }, { name, uid: name, labels: MIRRORED, ownerReferences });
}

describe('the EndpointSlices of a Service', () => {
  const six = slice({ addressType: 'IPv6' }, { name: SIX, uid: 'e6' });
  const second = slice({}, { name: SECOND, uid: 'e2' });
  const cases: readonly (readonly [name: string, given: Given, actions: readonly string[], codes?: readonly string[]])[] = [
    ['are made', {}, [`apply ${SERVICE}`]],
    ['are made without nodes', { IPv4: [] }, [`apply ${SERVICE}`]],
    ['are as wanted', { present: [slice()] }, []],
    ['are two for both families', { IPv6: [node('2001:db8::1')] }, [`apply ${SERVICE}`, `apply ${SIX}`]],
    ['are not two any more', { present: [slice(), six] }, [`delete ${SIX}`]],
    ['are several for many nodes', { IPv4: many(1_001) }, [`apply ${SERVICE}`, `apply ${SECOND}`]],
    ['are not several any more', { present: [slice(), second] }, [`delete ${SECOND}`]],
    ['are not made where one goes away', { present: [slice({}, { deletionTimestamp: '2026-01-01T00:00:00Z' })] }, []],
    ['are not taken from others', { present: [slice({}, { ownerReferences: [] })] }, [], ['ServiceNameTaken']],
    ['leave alone what a mirrored one without a name of its port draws', { present: [slice(), foreign('m', [{ port: 9999 }])] }, []],
    ['tell of one that draws', { present: [slice(), foreign('m', [{ name: 'http', port: 9999 }])] }, [], ['ForeignEndpoints']],
    [
      'tell of each',
      { present: [slice(), ...['n', 'm'].map((name) => foreign(name, PORTS))] },
      [],
      ['ForeignEndpoints', 'ForeignEndpoints'],
    ],
    ['do not tell of one for UDP', { present: [slice(), foreign('m', [{ name: 'http', port: 1, protocol: 'UDP' }])] }, []],
    ['do not tell of an empty one', { present: [slice(), foreign('m', PORTS, [])] }, []],
  ];
  for (const [name, given, actions, codes = []] of cases) {
    it(name, () => {
      const found = compare(given);
      assert.deepEqual([found.actions, found.codes], [actions, codes]);
    });
  }

  it('says whose the others are and what to do', () => {
    const { messages } = compare({ present: [slice(), foreign('m', PORTS)] });
    const expected =
      'EndpointSlice "shop/m", made by "endpointslicemirroring-controller.k8s.io", draws requests away from the nodes; delete it or what it is made from';
    assert.deepEqual(messages, [expected]);
  });

  it('change one by one', () => {
    const nodes = many(2_000);
    const present = compareApplied(nodes);
    assert.ok(present.length >= 2);
    assert.deepEqual(compare({ IPv4: nodes, present }).actions, []);
    assert.equal(compare({ IPv4: nodes.toSpliced(1_234, 1), present }).actions.length, 1);
  });

  it('go, those that we made', () => {
    const adopted = slice({}, { labels: { 'cilium.io/ingress': 'true', 'kubernetes.io/service-name': SERVICE }, uid: 'c' });
    const anothers = slice({}, { name: 'z', uid: 'z', ownerReferences: [{ ...OWNER, name: 'other', uid: 'u2' }] });
    const all = [slice(), second, foreign('m', PORTS), adopted, anothers];
    assert.deepEqual(
      withdrawSlices(presentOf(all)).map(({ kind, uid }) => [kind, uid]),
      [
        ['delete', 'e1'],
        ['delete', 'e2'],
      ],
    );
  });
});

/** The slices as they are once they have been applied. */
function compareApplied(IPv4: readonly NodeEndpoint[]): readonly EndpointSlice[] {
  const wanted = {
    namespace: 'shop',
    service: SERVICE,
    nodes: { IPv4, IPv6: [] },
    ports: { http: 23_456, https: 23_456 },
    ownerReferences: [OWNER],
  };
  const actions = compareSlices(wanted, presentOf([]), new Report({ kind: 'Ingress', namespace: 'shop', name: 'web' }));
  return actions.flatMap((action) => {
    if (action?.kind !== 'apply') return [];
    const { manifest, ref } = action;
    return [slice({ endpoints: manifest['endpoints'], ports: manifest['ports'] }, { name: ref.name, uid: ref.name })];
  });
}
