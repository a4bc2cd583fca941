import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ANY, type DirectionPolicy } from '../model/index.ts';
import { ENTITIES } from './rules/entities.ts';
import { compileAll } from './testing/compile.ts';
import { ciliumPolicyOf, clusterwidePolicyOf, namespace, node, pod } from './testing/manifests.ts';

// Whom each entity means, by the labels of the identities that verdicts are about. The own node always reaches its pods.

const slice = (name: string, address: string) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
  addressType: 'IPv4',
  ports: [{ port: 6443 }],
  endpoints: [{ addresses: [address] }],
});

const WORLD = [
  namespace('default'),
  node('node-0', '192.168.56.10', '10.244.0.0/24'),
  node('node-1', '192.168.56.11', '10.244.1.0/24'),
  pod('web', '10.244.0.2', { app: 'web' }),
  pod('near', '10.244.0.3', { app: 'near' }),
  // An API server on a node, and one outside of the cluster.
  slice('inside', '192.168.56.11'),
  slice('outside', '198.51.100.1'),
  // So that a part of the world has an identity of its own.
  ciliumPolicyOf(
    { endpointSelector: { matchLabels: { app: 'near' } }, egress: [{ toCIDR: ['203.0.113.0/24', '2001:db8::/32'] }] },
    'parts',
  ),
];

const WORLD_4 = ['reserved:world reserved:world-ipv4', 'cidr:203.0.113.0/24 reserved:world reserved:world-ipv4'];
const WORLD_6 = ['reserved:world reserved:world-ipv6', 'cidr:2001:db8::/32 reserved:world reserved:world-ipv6'];
const SERVER_OUTSIDE = 'reserved:kube-apiserver reserved:world reserved:world-ipv4';
const SERVER_INSIDE = 'reserved:kube-apiserver reserved:remote-node';
const PODS = ['near', 'web'];
const CLUSTER = [
  ...['reserved:host', 'reserved:remote-node', 'reserved:health', 'reserved:init', 'reserved:unmanaged', 'reserved:ingress'],
  ...[SERVER_INSIDE, SERVER_OUTSIDE, ...PODS],
];

const MEANT: Readonly<Record<string, readonly string[]>> = {
  all: ['everybody'],
  none: [],
  cluster: CLUSTER,
  world: [...WORLD_4, ...WORLD_6, SERVER_OUTSIDE],
  'world-ipv4': [...WORLD_4, SERVER_OUTSIDE],
  'world-ipv6': WORLD_6,
  host: ['reserved:host'],
  'remote-node': ['reserved:remote-node', SERVER_INSIDE],
  health: ['reserved:health'],
  init: ['reserved:init'],
  unmanaged: ['reserved:unmanaged'],
  ingress: ['reserved:ingress'],
  'kube-apiserver': [SERVER_INSIDE, SERVER_OUTSIDE],
};

/** Whom the pod `web` may hear, or talk to, as a policy says. */
function peers(policy: unknown, direction: 'ingress' | 'egress'): string[] {
  const { change } = compileAll([...WORLD, policy]);
  const names = new Map(change.identities.upserts.map(({ identity, labels }) => [identity, nameOf(labels)]));
  const subject = change.endpoints.upserts.find((endpoint) => endpoint.pod.name === 'web')?.identity;
  const found: DirectionPolicy | undefined = change.policies.upserts.find((each) => each.subject === subject)?.[direction];
  assert.equal(found?.defaultDeny, true);
  return found.verdicts.map(({ peer }) => (peer === ANY ? 'everybody' : (names.get(peer) ?? `nobody's ${peer}`))).sort();
}

function nameOf(labels: readonly string[]): string {
  return labels.find((label) => label.startsWith('k8s:app='))?.slice('k8s:app='.length) ?? labels.join(' ');
}

const endpoint = { endpointSelector: { matchLabels: { app: 'web' } } };

test('addresses are whose they are', () => {
  const { change } = compileAll(WORLD);
  const names = new Map(change.identities.upserts.map(({ identity, labels }) => [identity, nameOf(labels)]));
  assert.deepEqual(Object.fromEntries(change.addresses.upserts.map(({ prefix, identity }) => [prefix, names.get(identity)])), {
    '0.0.0.0/0': WORLD_4[0],
    '203.0.113.0/24': WORLD_4[1],
    '::/0': WORLD_6[0],
    '2001:db8::/32': WORLD_6[1],
    '198.51.100.1/32': SERVER_OUTSIDE,
    '192.168.56.10/32': 'reserved:remote-node',
    '192.168.56.11/32': SERVER_INSIDE,
    '10.244.0.0/24': 'reserved:unmanaged',
    '10.244.1.0/24': 'reserved:unmanaged',
    '10.244.0.2/32': 'web',
    '10.244.0.3/32': 'near',
  });
});

describe('an entity', () => {
  test('is known by each name that there is', () => assert.deepEqual(Object.keys(MEANT).sort(), [...ENTITIES].sort()));
  for (const [entity, meant] of Object.entries(MEANT)) {
    const heard = [...new Set([...(entity === 'all' ? [] : ['reserved:host']), ...meant])].sort();
    for (const policyOf of [ciliumPolicyOf, clusterwidePolicyOf]) {
      const kind = policyOf({}).kind;
      test(`${entity}, where something comes from, ${kind}`, () => {
        assert.deepEqual(peers(policyOf({ ...endpoint, ingress: [{ fromEntities: [entity] }] }), 'ingress'), heard);
      });
      test(`${entity}, where something goes, ${kind}`, () => {
        assert.deepEqual(peers(policyOf({ ...endpoint, egress: [{ toEntities: [entity] }] }), 'egress'), [...meant].sort());
      });
    }
  }
  test('all, beside another, means all', () => {
    for (const entities of [
      ['all', 'health'],
      ['health', 'all'],
      ['none', 'all'],
      ['all', 'cluster'],
    ]) {
      const told = peers(ciliumPolicyOf({ ...endpoint, egress: [{ toEntities: entities }] }), 'egress');
      assert.deepEqual(told, ['everybody'], entities.join());
    }
  });
  test('beside another means both', () => {
    const told = peers(ciliumPolicyOf({ ...endpoint, egress: [{ toEntities: ['health', 'world-ipv6'] }] }), 'egress');
    assert.deepEqual(told, ['reserved:health', ...WORLD_6].sort());
  });
});
