import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refOf } from '../kube/index.ts';
import { IP_PROTOCOLS, LOCAL_SCOPE, RESERVED_IDENTITIES, type SubjectPolicy } from '../model/index.ts';
import {
  explainPacket,
  identitiesWithLabels,
  MemoryIdentityAllocator,
  type PolicyChange,
  PolicyEngine,
  type PolicyEngineOptions,
} from './index.ts';
import { compileAll, viewOf } from './testing/compile.ts';
import { ciliumPolicyOf, namespace, networkPolicyOf, node, pod } from './testing/manifests.ts';

const CLUSTER = [namespace('default', { team: 'one' }), node('node-0', '192.168.56.10', '10.244.0.0/24')];
const DERIVED = [
  'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default',
  'k8s:io.cilium.k8s.namespace.labels.team=one',
  'k8s:io.cilium.k8s.policy.cluster=default',
  'k8s:io.cilium.k8s.policy.serviceaccount=default',
  'k8s:io.kubernetes.pod.namespace=default',
];

function engineOf(
  objects: readonly unknown[],
  options: PolicyEngineOptions = {},
): { readonly engine: PolicyEngine; readonly first: PolicyChange } {
  const engine = new PolicyEngine(options);
  for (const object of objects) engine.put(viewOf(object));
  return { engine, first: engine.flush() };
}

function afterPut(engine: PolicyEngine, ...objects: unknown[]): PolicyChange {
  for (const object of objects) engine.put(viewOf(object));
  return engine.flush();
}

function labelsIn({ identities }: PolicyChange): readonly (readonly string[])[] {
  return identities.upserts.filter(({ identity }) => identity >= 256).map(({ labels }) => labels);
}

const NOTHING: PolicyChange = {
  identities: { upserts: [], removals: [] },
  addresses: { upserts: [], removals: [] },
  endpoints: { upserts: [], removals: [] },
  policies: { upserts: [], removals: [] },
  slots: { upserts: [], removals: [] },
  diagnostics: undefined,
};

describe('what an identity is', () => {
  test('the labels of a pod, its namespace, service account and cluster', () => {
    const web = pod('web', '10.244.0.2', { app: 'web', 'pod-template-hash': 'x' });
    assert.deepEqual(labelsIn(compileAll([...CLUSTER, web]).change), [['k8s:app=web', ...DERIVED]]);
  });

  test('labels of a pod cannot put it into another namespace', () => {
    const forged = {
      'io.kubernetes.pod.namespace': 'kube-system',
      'io.cilium.k8s.namespace.labels.team': 'two',
      'io.cilium.k8s.namespace.labels.more': 'x',
    };
    assert.deepEqual(labelsIn(compileAll([...CLUSTER, pod('web', '10.244.0.2', forged)]).change), [DERIVED]);
  });

  test('pods that differ in a label that a rule names have identities of their own, others have not', () => {
    const pods = ['a', 'b'].map((name, index) => pod(name, `10.244.0.${index + 2}`, { 'pod-template-hash': name }));
    assert.equal(labelsIn(compileAll([...CLUSTER, ...pods]).change).length, 1);
    const policy = networkPolicyOf({ podSelector: { matchLabels: { 'pod-template-hash': 'a' } } });
    const told = labelsIn(compileAll([...CLUSTER, ...pods, policy]).change);
    assert.deepEqual(
      told.map((labels) => labels.at(-1)),
      ['k8s:pod-template-hash=a', 'k8s:pod-template-hash=b'],
    );
  });

  test('pods that differ in where a rule has their addresses have identities of their own', () => {
    const pods = ['10.244.0.2', '10.244.0.3'].map((ip, index) => pod(`p${index}`, ip, { app: 'web' }));
    const to = (cidr: string) => networkPolicyOf({ podSelector: {}, egress: [{ to: [{ ipBlock: { cidr } }] }] });
    const isOfPods = (labels: readonly string[]) => labels.includes('k8s:app=web');
    assert.equal(labelsIn(compileAll([...CLUSTER, ...pods, to('10.244.0.0/24')]).change).filter(isOfPods).length, 1);
    const told = labelsIn(compileAll([...CLUSTER, ...pods, to('10.244.0.3/32')]).change).filter(isOfPods);
    assert.deepEqual(
      told.map((labels) => labels.includes('cidr:10.244.0.3/32')),
      [false, true],
    );
  });

  test('pods that differ in a port that a rule names have identities of their own', () => {
    const pods = [80, 8080].map((containerPort, index) =>
      pod(`p${index}`, `10.244.0.${index + 2}`, {}, { ports: [{ name: 'http', containerPort }] }),
    );
    const policy = networkPolicyOf({ podSelector: {}, ingress: [{ ports: [{ port: 'http' }] }] });
    const told = labelsIn(compileAll([...CLUSTER, ...pods, policy]).change);
    assert.deepEqual(told.map((labels) => labels.at(-1)).sort(), ['port:http=TCP/80', 'port:http=TCP/8080']);
  });

  test('a prefix of the world has a number of the local scope, and all of a family its own', () => {
    const policy = ciliumPolicyOf({ endpointSelector: {}, egress: [{ toCIDR: ['203.0.113.0/24', '0.0.0.0/0'] }] });
    const { addresses } = compileAll([...CLUSTER, policy]).change;
    const byPrefix = new Map(addresses.upserts.map(({ prefix, identity }) => [prefix, identity]));
    assert.equal(byPrefix.get('0.0.0.0/0'), RESERVED_IDENTITIES['world-ipv4']);
    assert.equal(byPrefix.get('::/0'), RESERVED_IDENTITIES['world-ipv6']);
    assert.equal(byPrefix.get('203.0.113.0/24'), LOCAL_SCOPE | 1);
    assert.equal(byPrefix.get('10.244.0.0/24'), RESERVED_IDENTITIES.unmanaged);
    assert.equal(byPrefix.get('192.168.56.10/32'), RESERVED_IDENTITIES['remote-node']);
  });

  test('of pods whose namespace is not known yet nothing is known, unless it is implied', () => {
    const web = pod('web', '10.244.0.2', {}, { namespace: 'late' });
    const { engine, first } = engineOf([...CLUSTER, web]);
    assert.deepEqual(
      first.endpoints.upserts.map(({ identity }) => identity),
      [RESERVED_IDENTITIES.init],
    );
    assert.deepEqual(
      first.policies.upserts.map(({ subject, ingress, egress }) => [subject, ingress.defaultDeny, egress.defaultDeny]),
      [[RESERVED_IDENTITIES.init, true, true]],
    );
    const later = afterPut(engine, namespace('late'));
    assert.ok((later.endpoints.upserts[0]?.identity ?? 0) >= 256);
    assert.deepEqual(later.policies.removals, []);
    const implied = engineOf([...CLUSTER, web], { impliesNamespaces: true }).first;
    assert.ok((implied.endpoints.upserts[0]?.identity ?? 0) >= 256);
  });

  test('a pod of the host network, and one that has ended, is no endpoint', () => {
    const host = pod('host', '192.168.56.10', {}, { spec: { hostNetwork: true } });
    const ended = pod('ended', '10.244.0.9', {}, { status: { phase: 'Succeeded' } });
    const { change } = compileAll([...CLUSTER, host, ended]);
    assert.deepEqual([change.endpoints.upserts, labelsIn(change)], [[], []]);
  });
});

describe('numbers', () => {
  const web = pod('web', '10.244.0.2', { app: 'web' });
  const db = pod('db', '10.244.0.3', { app: 'db' });

  test('outlive a restart', () => {
    const { first } = engineOf([...CLUSTER, web, db]);
    const allocator = new MemoryIdentityAllocator();
    allocator.restore(first.identities.upserts);
    const again = engineOf([db, ...CLUSTER, web], { allocator }).first;
    assert.deepEqual(again.identities, first.identities);
  });

  test('that are not given yet make a pod init, and are asked for again', () => {
    const allocator = new MemoryIdentityAllocator();
    let isReady = false;
    const late = {
      allocate: (labels: readonly string[], scope: 'cluster' | 'local') => (isReady ? allocator.allocate(labels, scope) : undefined),
      release: () => {},
    };
    const { engine, first } = engineOf([...CLUSTER, web], { allocator: late });
    assert.deepEqual(
      first.endpoints.upserts.map(({ identity }) => identity),
      [RESERVED_IDENTITIES.init],
    );
    assert.deepEqual(
      first.diagnostics?.map(({ code, object }) => [code, object?.name]),
      [['IdentityMissing', 'web']],
    );
    isReady = true;
    engine.retryIdentities();
    const later = engine.flush();
    assert.deepEqual(
      later.addresses.upserts.map(({ prefix, identity }) => [prefix, identity]),
      [['10.244.0.2/32', 256]],
    );
    assert.deepEqual(later.diagnostics, []);
  });
});

describe('a change', () => {
  const web = pod('web', '10.244.0.2', { app: 'web' });
  const db = pod('db', '10.244.0.3', { app: 'db' });
  const policy = networkPolicyOf({
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }],
  });
  const everything = [...CLUSTER, web, db, policy];

  test('of nothing is nothing', () => {
    const { engine } = engineOf(everything);
    assert.deepEqual(engine.flush(), NOTHING);
    assert.deepEqual(afterPut(engine, ...everything), NOTHING);
  });

  test('by one more pod of labels that are known is its address and endpoint', () => {
    const { engine } = engineOf(everything);
    const change = afterPut(engine, pod('web-2', '10.244.0.4', { app: 'web' }));
    assert.deepEqual(
      change.addresses.upserts.map(({ prefix }) => prefix),
      ['10.244.0.4/32'],
    );
    assert.deepEqual(
      change.endpoints.upserts.map((endpoint) => endpoint.pod.name),
      ['web-2'],
    );
    assert.deepEqual({ ...change, addresses: NOTHING.addresses, endpoints: NOTHING.endpoints }, NOTHING);
  });

  test('by labels that are new reaches whom a rule lets them reach, and no others', () => {
    const { engine, first } = engineOf(everything);
    const subjectOf = (name: string) => first.endpoints.upserts.find((endpoint) => endpoint.pod.name === name)?.identity;
    const change = afterPut(engine, pod('new', '10.244.0.5', { app: 'new' }));
    const [identity] = change.endpoints.upserts.map((endpoint) => endpoint.identity);
    assert.deepEqual(change.policies.upserts.map(({ subject }) => subject).sort(), [subjectOf('web'), identity].sort());
    const kept = first.policies.upserts.find(({ subject }) => subject === subjectOf('web'));
    assert.equal(change.policies.upserts.find(({ subject }) => subject === subjectOf('web'))?.egress, kept?.egress);
  });

  test('of a policy into one that means the same leaves every verdict the object that it was', () => {
    const { engine, first } = engineOf(everything);
    const before = new Map(first.policies.upserts.map((each): [number, SubjectPolicy] => [each.subject, each]));
    const change = afterPut(engine, {
      ...policy,
      spec: {
        podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] },
        ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80, protocol: 'TCP' }] }],
      },
    });
    assert.deepEqual(change, NOTHING);
    for (const [subject, each] of before) assert.equal(engine.policy(subject), each);
  });

  test('of the labels of a pod moves it, and gives the old number back', () => {
    const { engine, first } = engineOf(everything);
    const before = first.endpoints.upserts.find((endpoint) => endpoint.pod.name === 'db')?.identity;
    const change = afterPut(engine, pod('db', '10.244.0.3', { app: 'web' }));
    assert.deepEqual(change.identities.removals, [before]);
    assert.deepEqual(change.policies.removals, [before]);
    assert.deepEqual(
      change.addresses.upserts.map(({ prefix }) => prefix),
      ['10.244.0.3/32'],
    );
  });

  test('that takes everything away leaves what nobody made', () => {
    const { engine } = engineOf(everything);
    for (const object of everything) engine.delete(refOf(viewOf(object)));
    const { identities, addresses, endpoints, policies } = engine.flush();
    assert.equal(identities.removals.length, 2);
    assert.deepEqual(addresses, { upserts: [], removals: ['10.244.0.0/24', '10.244.0.2/32', '10.244.0.3/32', '192.168.56.10/32'] });
    assert.equal(endpoints.removals.length, 2);
    assert.equal(policies.removals.length, 2);
  });

  test('pods that the same policies select have one policy', () => {
    const { first } = engineOf([...CLUSTER, web, db, networkPolicyOf({ podSelector: {} })]);
    const [a, b, ...others] = first.policies.upserts.filter(({ subject }) => subject !== RESERVED_IDENTITIES.init);
    assert.deepEqual(others, []);
    assert.equal(a?.ingress, b?.ingress);
    assert.equal(a?.egress, b?.egress);
  });
});

describe('an explanation', () => {
  const web = pod('web', '10.244.0.2', { app: 'web' });
  const allow = ciliumPolicyOf({ endpointSelector: { matchLabels: { app: 'web' } }, ingress: [{ fromEntities: ['all'] }] }, 'allow');
  const deny = ciliumPolicyOf(
    { endpointSelector: {}, ingressDeny: [{ fromEntities: ['world'], toPorts: [{ ports: [{ port: '80' }] }] }] },
    'deny',
  );
  const { first } = engineOf([...CLUSTER, web, allow, deny]);
  const [subject = 0] = identitiesWithLabels(first.identities.upserts, ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=default']);
  const policy = first.policies.upserts.find((each) => each.subject === subject);
  assert.ok(policy);
  const peer = RESERVED_IDENTITIES['world-ipv4'];

  test('names the rule that decides, and the runner-up', () => {
    const { decision, sources, runnerUp } = explainPacket(policy, { direction: 'ingress', peer, protocol: IP_PROTOCOLS.TCP, port: 80 });
    assert.equal(decision, 'deny');
    assert.deepEqual(
      sources.map(({ object, path }) => [object.name, ...path]),
      [['deny', 'spec', 'ingressDeny', 0]],
    );
    assert.deepEqual(
      runnerUp?.sources.map(({ object }) => object.name),
      ['allow'],
    );
  });

  test('of what no rule matches tells the default', () => {
    const out = explainPacket(policy, { direction: 'egress', peer, protocol: IP_PROTOCOLS.TCP, port: 80 });
    assert.deepEqual([out.decision, out.reason, out.sources], ['allow', 'no-policy', []]);
  });
});
