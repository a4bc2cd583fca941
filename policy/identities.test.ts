import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { refOf } from '../kube/index.ts';
import { IP_PROTOCOLS } from '../model/index.ts';
import { MemoryIdentityAllocator, type PolicyChange, PolicyEngine, type PolicyEngineOptions } from './index.ts';
import { compileAll, hostsOf, viewOf } from './testing/compile.ts';
import { CompiledPolicy } from './testing/compiled-policy.ts';
import { ciliumPolicyOf, clusterwidePolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';
import { randomWorld } from './testing/random-world.ts';

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
const RUNS = 100;

const CLUSTER = [namespace('default'), node('node-0', '192.168.56.10', '10.244.0.0/24')];
const HOSTS = hostsOf(CLUSTER);
const OUTSIDE = '203.0.113.7';
const WEB = '10.244.0.2';
const LATE = '10.244.0.3';
const web = pod('web', WEB, { app: 'web' });
/** Of a namespace that is not known yet. */
const late = pod('late', LATE, { app: 'web' }, { namespace: 'late' });

function reaches(compiled: CompiledPolicy, from: string, to: string, port = 80): boolean {
  return compiled.judge(from, to, IP_PROTOCOLS.TCP, port, HOSTS) === 'allow';
}

/** An engine, and what agents made of what it told. */
class Cluster {
  readonly engine: PolicyEngine;
  readonly compiled = new CompiledPolicy();

  constructor(objects: readonly unknown[], options: PolicyEngineOptions = {}) {
    this.engine = new PolicyEngine(options);
    this.put(...objects);
  }

  put(...objects: readonly unknown[]): PolicyChange {
    for (const object of objects) this.engine.put(viewOf(object));
    const change = this.engine.flush();
    this.compiled.apply(change);
    return change;
  }
}

describe('of whom no labels are known', () => {
  const init = { endpointSelector: { matchLabels: { 'reserved:init': '' } } };

  test('nobody is reached and nobody reaches, but by the node', () => {
    const { compiled } = new Cluster([...CLUSTER, web, late]);
    assert.equal(reaches(compiled, LATE, WEB), false);
    assert.equal(reaches(compiled, WEB, LATE), false);
    assert.equal(reaches(compiled, LATE, OUTSIDE), false);
    assert.equal(reaches(compiled, '192.168.56.10', LATE), true);
    assert.equal(reaches(compiled, LATE, '192.168.56.10'), false);
  });

  test('a clusterwide policy says what they may, until their labels are known', () => {
    const policy = clusterwidePolicyOf({
      ...init,
      egress: [{ toEntities: ['world'], toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }] }],
      ingress: [{ fromEntities: ['cluster'] }],
    });
    const cluster = new Cluster([...CLUSTER, web, late, policy]);
    assert.equal(reaches(cluster.compiled, LATE, OUTSIDE, 443), true);
    assert.equal(reaches(cluster.compiled, LATE, OUTSIDE, 80), false);
    assert.equal(reaches(cluster.compiled, WEB, LATE), true);
    assert.equal(reaches(cluster.compiled, OUTSIDE, LATE), false);
    cluster.put(namespace('late'));
    assert.equal(reaches(cluster.compiled, LATE, OUTSIDE, 80), true);
    assert.equal(reaches(cluster.compiled, OUTSIDE, LATE), true);
  });

  test('a policy that selects everybody does not open them', () => {
    for (const policy of [
      ciliumPolicyOf({ endpointSelector: {}, egress: [{ toEntities: ['all'] }], ingress: [{ fromEntities: ['all'] }] }, 'p', 'late'),
      networkPolicyOf({ podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] }, 'p', 'late'),
    ]) {
      const { compiled } = new Cluster([...CLUSTER, web, late, policy]);
      assert.equal(reaches(compiled, LATE, WEB), false);
      assert.equal(reaches(compiled, WEB, LATE), false);
    }
  });

  test('a rule may name them as peers, and labels never mean them', () => {
    const allowing = (rule: object) => {
      const policy = clusterwidePolicyOf({ ...init, egress: [{ toEntities: ['all'] }] }, 'opens');
      const selecting = ciliumPolicyOf({ endpointSelector: { matchLabels: { app: 'web' } }, ingress: [rule] });
      return reaches(new Cluster([...CLUSTER, web, late, policy, selecting]).compiled, LATE, WEB);
    };
    assert.equal(allowing({ fromEntities: ['init'] }), true);
    assert.equal(allowing({ fromEndpoints: [{ matchLabels: { 'reserved:init': '' } }] }), true);
    assert.equal(allowing({ fromEntities: ['cluster'] }), true);
    assert.equal(allowing({ fromEndpoints: [{ matchLabels: { app: 'web' } }] }), false);
    assert.equal(allowing({ fromEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'late' } }] }), false);
    assert.equal(allowing({ fromEntities: ['world'] }), false);
    assert.equal(allowing({ fromCIDR: ['10.244.0.0/16'] }), false);
  });
});

describe('labels that change', () => {
  const policy = networkPolicyOf({
    podSelector: { matchLabels: { app: 'db' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { role: 'client' } } }] }],
  });
  const db = (labels: Readonly<Record<string, string>>) => pod('db', '10.244.0.4', { app: 'db', ...labels });

  test('of a pod are those that rules see next', () => {
    const cluster = new Cluster([...CLUSTER, web, db({}), policy]);
    assert.equal(reaches(cluster.compiled, WEB, '10.244.0.4'), false);
    cluster.put(pod('web', WEB, { app: 'web', role: 'client' }));
    assert.equal(reaches(cluster.compiled, WEB, '10.244.0.4'), true);
    cluster.put(pod('web', WEB, { app: 'web', role: 'other' }));
    assert.equal(reaches(cluster.compiled, WEB, '10.244.0.4'), false);
    cluster.put(pod('db', '10.244.0.4', { app: 'cache' }));
    assert.equal(reaches(cluster.compiled, WEB, '10.244.0.4'), true);
  });

  test('of a namespace are those of its pods, and so is a service account', () => {
    const byNamespace = networkPolicyOf({
      podSelector: {},
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'one' } } }] }],
    });
    const cluster = new Cluster([...CLUSTER, web, namespace('late'), late, byNamespace]);
    assert.equal(reaches(cluster.compiled, LATE, WEB), false);
    cluster.put(namespace('late', { team: 'one' }));
    assert.equal(reaches(cluster.compiled, LATE, WEB), true);
    const account = ciliumPolicyOf({
      endpointSelector: { matchLabels: { 'io.cilium.k8s.policy.serviceaccount': 'robot' } },
      ingress: [{ fromEndpoints: [{ matchLabels: { 'k8s:io.cilium.k8s.policy.serviceaccount': 'human' } }] }],
    });
    const of = (name: string, ip: string, serviceAccountName: string) => pod(name, ip, {}, { spec: { serviceAccountName } });
    const accounts = new Cluster([...CLUSTER, account, of('a', WEB, 'robot'), of('b', LATE, 'human'), of('c', '10.244.0.4', 'other')]);
    assert.equal(reaches(accounts.compiled, LATE, WEB), true);
    assert.equal(reaches(accounts.compiled, '10.244.0.4', WEB), false);
    assert.equal(reaches(accounts.compiled, LATE, '10.244.0.4'), true);
  });

  test('that the filter leaves out make no identity, and a rule that names them is right all the same', () => {
    const pods = ['a', 'b'].map((version, index) => pod(version, `10.244.0.${index + 2}`, { app: 'web', version }));
    const identities = (objects: readonly unknown[]) =>
      compileAll(objects, { labelFilter: ['!version'] }).change.identities.upserts.filter(({ identity }) => identity >= 256);
    assert.equal(identities([...CLUSTER, ...pods]).length, 1);
    const naming = networkPolicyOf({ podSelector: { matchLabels: { version: 'b' } } });
    assert.equal(identities([...CLUSTER, ...pods, naming]).length, 2);
    const { compiled } = compileAll([...CLUSTER, ...pods, naming], { labelFilter: ['!version'] });
    assert.equal(reaches(compiled, LATE, WEB), true);
    assert.equal(reaches(compiled, WEB, LATE), false);
  });
});

describe('an address that no pod is known for', () => {
  const reachesWorld = [
    ciliumPolicyOf({ endpointSelector: {}, egress: [{ toEntities: ['world'] }] }),
    ciliumPolicyOf({ endpointSelector: {}, egress: [{ toCIDR: ['0.0.0.0/0', '10.0.0.0/8', '10.244.0.77/32', '10.250.1.1/32'] }] }),
  ];
  test('is not of the world inside of the pods’ network, which Nodes or the settings tell', () => {
    for (const policy of reachesWorld) {
      const { compiled } = compileAll([...CLUSTER, web, policy], { podNetworks: ['10.250.0.0/16'] });
      for (const [address, isReached] of [
        ['10.244.0.77', false],
        ['10.250.1.1', false],
        [OUTSIDE, true],
        ['10.251.0.1', true],
      ] as const)
        assert.equal(reaches(compiled, WEB, address), isReached, address);
    }
  });
  test('is reached by its address where a NetworkPolicy names that', () => {
    const policy = networkPolicyOf({
      podSelector: {},
      egress: [{ to: [{ ipBlock: { cidr: '10.244.0.77/32' } }] }],
      policyTypes: ['Egress'],
    });
    const { compiled } = compileAll([...CLUSTER, web, policy]);
    assert.equal(reaches(compiled, WEB, '10.244.0.77'), true);
    assert.equal(reaches(compiled, WEB, '10.244.0.78'), false);
  });
});

describe(`numbers, from seed ${SEED} (SLUICE_POLICY_SEED)`, () => {
  test(`${RUNS} worlds: after a restart all have those that they had, in whatever order objects come`, () => {
    const inAnyOrder = randomWorld().chain(({ objects }) => {
      const all = fc.shuffledSubarray([...objects], { minLength: objects.length });
      return fc.record({ objects: fc.constant(objects), shuffled: all });
    });
    const property = fc.property(inAnyOrder, ({ objects, shuffled }) => {
      const before = new Cluster(objects).compiled.identities;
      const allocator = new MemoryIdentityAllocator();
      allocator.restore([...before].map(([identity, labels]) => ({ identity, labels })));
      const after = new Cluster(shuffled, { allocator }).compiled.identities;
      assert.deepEqual(new Map([...after].sort()), new Map([...before].sort()));
    });
    fc.assert(property, { seed: SEED, numRuns: RUNS });
  });

  test(`${RUNS} worlds: pods that are gone and come back have theirs again`, () => {
    const property = fc.property(randomWorld(), ({ objects }) => {
      const cluster = new Cluster(objects);
      const before = new Map(cluster.compiled.identities);
      for (const object of objects) if (object.kind === 'Pod') cluster.engine.delete(refOf(viewOf(object)));
      cluster.compiled.apply(cluster.engine.flush());
      cluster.put(...objects);
      assert.deepEqual(new Map([...cluster.compiled.identities].sort()), new Map([...before].sort()));
    });
    fc.assert(property, { seed: SEED, numRuns: RUNS });
  });
});
