import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Manifest, Service } from '../../kube/index.ts';
import { type MetadataInput, serviceObject } from '../../testkit/kube-objects.ts';
import type { ServiceOptions } from '../annotations/service-options.ts';
import { compareService, copiedTexts, effectiveClass, type WantedService } from './service.ts';

const OPTIONS: ServiceOptions = {
  type: 'LoadBalancer',
  loadBalancerClass: undefined,
  externalTrafficPolicy: 'Cluster',
  insecureNodePort: undefined,
  secureNodePort: undefined,
};
const OWNER = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'web', uid: 'u1', controller: true };

function wanted(options: Partial<ServiceOptions> = {}, rest: Partial<WantedService> = {}): WantedService {
  const name = 'cilium-ingress-web';
  return { namespace: 'shop', name, options: { ...OPTIONS, ...options }, labels: {}, annotations: {}, ownerReferences: [OWNER], ...rest };
}

/** The manifest that is applied, if one is. */
function applied(want: WantedService, actual?: Service): Manifest | undefined {
  const action = compareService(want, actual);
  assert.notEqual(action?.kind, 'delete');
  return action?.kind === 'delete' ? undefined : action?.manifest;
}

const PORTS = [
  { name: 'http', port: 80, protocol: 'TCP', targetPort: 80, nodePort: 31_000 },
  { name: 'https', port: 443, protocol: 'TCP', targetPort: 443, nodePort: 31_001 },
];
const LABELS = { 'cilium.io/ingress': 'true', 'app.kubernetes.io/managed-by': 'sluice' };

/** As an API server gives back what was applied. */
function actual(spec: object = {}, metadata: MetadataInput = {}): Service {
  const defaults = { type: 'LoadBalancer', clusterIP: '10.0.0.1', externalTrafficPolicy: 'Cluster', sessionAffinity: 'None', ports: PORTS };
  return serviceObject({ ...defaults, ...spec }, { name: 'cilium-ingress-web', namespace: 'shop', uid: 's1', labels: LABELS, ...metadata });
}

describe('a Service that is to be', () => {
  const specs: readonly (readonly [name: string, options: Partial<ServiceOptions>, spec: object])[] = [
    ['a load balancer', {}, { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' }],
    [
      'one of a class',
      { loadBalancerClass: 'example.com/lb', externalTrafficPolicy: 'Local' },
      { type: 'LoadBalancer', loadBalancerClass: 'example.com/lb', externalTrafficPolicy: 'Local' },
    ],
    ['on node ports, without class', { type: 'NodePort', loadBalancerClass: 'x' }, { type: 'NodePort', externalTrafficPolicy: 'Cluster' }],
    ['internal, without policy', { type: 'ClusterIP', loadBalancerClass: 'x', insecureNodePort: 30_080 }, { type: 'ClusterIP' }],
  ];
  for (const [name, options, spec] of specs) {
    it(name, () => {
      const ports = [
        { name: 'http', port: 80, protocol: 'TCP' },
        { name: 'https', port: 443, protocol: 'TCP' },
      ];
      assert.deepEqual(applied(wanted(options)), {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'cilium-ingress-web', namespace: 'shop', labels: LABELS, annotations: {}, ownerReferences: [OWNER] },
        spec: { ...spec, ports },
      });
    });
  }

  it('on certain node ports', () => {
    const manifest = applied(wanted({ type: 'NodePort', insecureNodePort: 30_080, secureNodePort: 30_443 }));
    const ports = [
      { name: 'http', port: 80, protocol: 'TCP', nodePort: 30_080 },
      { name: 'https', port: 443, protocol: 'TCP', nodePort: 30_443 },
    ];
    assert.deepEqual(manifest?.['spec'], { type: 'NodePort', externalTrafficPolicy: 'Cluster', ports });
  });

  it('has what is copied, and its keys, and our own labels whatever the copied ones say', () => {
    const labels = { 'lbipam.cilium.io/pool': 'a', 'cilium.io/ingress': 'no' };
    const { metadata } = applied(wanted({}, { labels, annotations: { 'service.kubernetes.io/x': 'b' }, ownerReferences: [] })) ?? {};
    assert.deepEqual(metadata, {
      name: 'cilium-ingress-web',
      namespace: 'shop',
      labels: { 'lbipam.cilium.io/pool': 'a', ...LABELS },
      annotations: {
        'service.kubernetes.io/x': 'b',
        'ingress.sluice.io/copied': 'cilium.io/ingress,lbipam.cilium.io/pool,service.kubernetes.io/x',
      },
    });
  });
});

describe('a Service that is there', () => {
  const copied = { labels: { 'a/b': '1' }, annotations: { 'c/d': '2' } };
  const withCopied = { labels: { ...LABELS, 'a/b': '1' }, annotations: { 'c/d': '2', 'ingress.sluice.io/copied': 'a/b,c/d' } };
  const cases: readonly (readonly [name: string, want: WantedService, present: Service, differs: boolean])[] = [
    ['with what the API server filled in', wanted(), actual(), false],
    ['without the policy that is the default', wanted(), actual({ externalTrafficPolicy: undefined }), false],
    ['with a class that was defaulted', wanted(), actual({ loadBalancerClass: 'default/lb' }), false],
    ['with a port more', wanted(), actual({ ports: [...PORTS, { name: 'other', port: 8443 }] }), false],
    ['with its ports in another order', wanted(), actual({ ports: PORTS.toReversed() }), false],
    ["with others' labels and annotations", wanted(), actual({}, { labels: { ...LABELS, x: 'y' }, annotations: { x: 'y' } }), false],
    ['of another class, which cannot change', wanted({ loadBalancerClass: 'a/new' }), actual({ loadBalancerClass: 'a/old' }), false],
    ['of type ClusterIP', wanted({ type: 'ClusterIP' }), actual({ type: 'ClusterIP', externalTrafficPolicy: undefined }), false],
    ['with node ports as asked', wanted({ insecureNodePort: 31_000, secureNodePort: 31_001 }), actual(), false],
    ['with what was copied', wanted({}, copied), actual({}, withCopied), false],
    ['of another type', wanted({ type: 'NodePort' }), actual(), true],
    ['with another policy', wanted({ externalTrafficPolicy: 'Local' }), actual(), true],
    ['with another node port', wanted({ secureNodePort: 30_443 }), actual(), true],
    ['without a port', wanted(), actual({ ports: PORTS.slice(0, 1) }), true],
    ['with a port of another protocol', wanted(), actual({ ports: PORTS.map((port) => ({ ...port, protocol: 'UDP' })) }), true],
    ['with a port of another name', wanted(), actual({ ports: PORTS.map((port) => ({ ...port, name: `${port.name}-2` })) }), true],
    ['without our labels', wanted(), actual({}, { labels: {} }), true],
    ['with another copied label', wanted({}, copied), actual({}, { ...withCopied, labels: { ...LABELS, 'a/b': '9' } }), true],
    ['with what is not copied any more', wanted(), actual({}, withCopied), true],
  ];
  for (const [name, want, present, differs] of cases) {
    it(`${name}: ${differs ? 'is applied' : 'is no difference'}`, () => {
      const action = compareService(want, present);
      assert.deepEqual([action?.kind, action?.uid], differs ? ['apply', 's1'] : [undefined, undefined]);
    });
  }
});

it('a Service without an address, which cannot get one, is deleted, whatever is wanted', () => {
  const headless = actual({ type: 'ClusterIP', clusterIP: 'None', externalTrafficPolicy: undefined });
  for (const type of ['LoadBalancer', 'ClusterIP'] as const) {
    const action = compareService(wanted({ type }), headless);
    assert.deepEqual([action?.kind, action?.uid], ['delete', 's1'], type);
  }
});

describe('the class of a load balancer', () => {
  const old = actual({ loadBalancerClass: 'a/old' });
  const cases: readonly (readonly [
    name: string,
    options: Partial<ServiceOptions>,
    present: Service | undefined,
    expected: string | undefined,
  ])[] = [
    ['is the wanted one of a new Service', { loadBalancerClass: 'a/new' }, undefined, 'a/new'],
    ['stays once there is one', { loadBalancerClass: 'a/new' }, old, 'a/old'],
    ['stays where none is wanted', {}, old, 'a/old'],
    ['stays none', { loadBalancerClass: 'a/new' }, actual(), undefined],
    ['can be chosen when the type becomes LoadBalancer', { loadBalancerClass: 'a/new' }, actual({ type: 'NodePort' }), 'a/new'],
    ['is none of another type', { type: 'NodePort', loadBalancerClass: 'a/new' }, old, undefined],
  ];
  for (const [name, options, present, expected] of cases) {
    it(name, () => assert.equal(effectiveClass(wanted(options), present), expected));
  }

  it('is applied as it is, since leaving it out would take it away', () => {
    const manifest = applied(wanted({ loadBalancerClass: 'a/new', externalTrafficPolicy: 'Local' }), old);
    assert.equal(Object.entries(manifest?.['spec'] ?? {}).find(([field]) => field === 'loadBalancerClass')?.[1], 'a/old');
  });
});

describe('texts are copied', () => {
  const texts = { 'a.io/x': '1', 'a.iox': '2', 'b.io/y': '3', c: '4' };
  const cases: readonly (readonly [prefixes: readonly string[], keys: readonly string[]])[] = [
    [[], []],
    [['a.io'], ['a.io/x', 'a.iox']],
    [
      ['a.io/', 'b.io/'],
      ['a.io/x', 'b.io/y'],
    ],
    [['x'], []],
  ];
  for (const [prefixes, keys] of cases) {
    it(`by ${prefixes.join()}: ${keys.join()}`, () => assert.deepEqual(Object.keys(copiedTexts(texts, prefixes)), keys));
  }
});
