import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refOf } from '../kube/index.ts';
import { IP_PROTOCOLS } from '../model/index.ts';
import { PolicyEngine } from './index.ts';
import { hostsOf, viewOf } from './testing/compile.ts';
import { CompiledPolicy } from './testing/compiled-policy.ts';
import { ciliumPolicyOf, namespace, node, pod } from './testing/manifests.ts';

// Whom Services stand for in `toServices`: the pods that they select in their own namespace, or the endpoints that somebody else gave them.

const service = (name: string, spec: object, namespaceName = 'default', labels: Readonly<Record<string, string>> = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: namespaceName, labels },
  spec: { ports: [{ port: 80 }], ...spec },
});
const slice = (name: string, of: string, ...addresses: readonly string[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  ports: [{ port: 80 }],
  endpoints: addresses.map((address) => ({ addresses: [address] })),
});

const ADDRESSES = { db: '10.244.0.3', near: '10.244.0.4', 'other db': '10.244.0.5', outside: '203.0.113.9', 'far outside': '203.0.113.10' };
const PODS = [
  namespace('default'),
  namespace('other'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  pod('web', '10.244.0.2', { app: 'web' }),
  pod('db', ADDRESSES.db, { app: 'db' }),
  pod('near', ADDRESSES.near, { app: 'near' }),
  pod('other-db', ADDRESSES['other db'], { app: 'db' }, { namespace: 'other' }),
];
const HOSTS = hostsOf(PODS);
const SERVICES = [
  service('db', { selector: { app: 'db' } }, 'default', { sort: 'data' }),
  service('db', { selector: { app: 'db' } }, 'other'),
  service('given', {}, 'default', { sort: 'data' }),
  slice('given-1', 'given', ADDRESSES.outside, ADDRESSES.near),
  service('elsewhere', { type: 'ExternalName', externalName: 'a.example', selector: { app: 'near' } }),
];

/** An engine with a policy of the pod `web`, and whom that reaches. */
class Reached {
  readonly #engine = new PolicyEngine();
  readonly #compiled = new CompiledPolicy();

  constructor(toServices: readonly object[], objects: readonly unknown[], list: 'egress' | 'egressDeny' = 'egress') {
    const rules = list === 'egress' ? {} : { egress: [{ toEntities: ['all'] }] };
    this.put(...objects, ciliumPolicyOf({ endpointSelector: { matchLabels: { app: 'web' } }, ...rules, [list]: [{ toServices }] }));
  }

  put(...objects: readonly unknown[]): this {
    for (const object of objects) this.#engine.put(viewOf(object));
    this.#compiled.apply(this.#engine.flush());
    return this;
  }

  delete(object: unknown): this {
    this.#engine.delete(refOf(viewOf(object)));
    this.#compiled.apply(this.#engine.flush());
    return this;
  }

  get names(): string {
    const reached = Object.entries(ADDRESSES).filter(
      ([, address]) => this.#compiled.judge('10.244.0.2', address, IP_PROTOCOLS.TCP, 80, HOSTS) === 'allow',
    );
    return reached.map(([name]) => name).join(', ');
  }
}

const named = (serviceName: string, namespaceName?: string) => ({ k8sService: { serviceName, namespace: namespaceName } });
const selected = (matchLabels: object, namespaceName?: string) => ({
  k8sServiceSelector: { selector: { matchLabels }, namespace: namespaceName },
});

describe('toServices', () => {
  for (const [what, toServices, reached] of [
    ['by name and namespace', [named('db', 'default')], 'db'],
    ['of another namespace', [named('db', 'other')], 'other db'],
    ['by name, wherever it is', [named('db')], 'db, other db'],
    ['without selector', [named('given', 'default')], 'near, outside'],
    ['by labels', [selected({ sort: 'data' })], 'db, near, outside'],
    ['by labels of another namespace', [selected({ sort: 'data' }, 'other')], ''],
    ['by no labels: all', [selected({})], 'db, near, other db, outside'],
    ['by no labels, of a namespace', [selected({}, 'other')], 'other db'],
    ['several', [named('db', 'other'), named('given')], 'near, other db, outside'],
    ['that is somewhere else', [named('elsewhere')], ''],
    ['that is not there', [named('none')], ''],
  ] as const) {
    test(what, () => {
      assert.equal(new Reached(toServices, [...PODS, ...SERVICES]).names, reached);
      const others = Object.keys(ADDRESSES).filter((name) => !reached.split(', ').includes(name));
      assert.equal(new Reached(toServices, [...PODS, ...SERVICES], 'egressDeny').names, others.join(', '));
    });
  }

  test('means others once a Service, its endpoints or its pods change', () => {
    const reached = new Reached([named('db', 'default'), named('given', 'default')], PODS);
    assert.equal(reached.names, '');
    assert.equal(reached.put(...SERVICES).names, 'db, near, outside');
    assert.equal(reached.put(service('db', { selector: { app: 'near' } })).names, 'near, outside');
    assert.equal(reached.put(slice('given-1', 'given', ADDRESSES['far outside'])).names, 'near, far outside');
    assert.equal(reached.put(slice('given-2', 'given', ADDRESSES.outside)).names, 'near, outside, far outside');
    assert.equal(reached.delete(slice('given-1', 'given')).names, 'near, outside');
    assert.equal(reached.put(pod('near', ADDRESSES.near, { app: 'other' })).names, 'outside');
    assert.equal(reached.put(service('given', { selector: { app: 'other' } })).names, 'near');
    assert.equal(reached.delete(service('given', {})).names, '');
  });
});
