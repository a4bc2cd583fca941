import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KubeObject, networkPolicySpec, readSpec, validateObject } from '../index.ts';

function valid(raw: unknown): KubeObject {
  const seen = validateObject(raw);
  assert.equal(seen.result, 'valid', JSON.stringify(seen));
  return seen.object;
}

const POD = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' } };

describe('a Pod', () => {
  test('is what tells it apart', () => {
    const main = { name: 'main', image: 'x', ports: [{ name: 'http', containerPort: 80 }, { containerPort: 81 }] };
    const sidecar = { name: 'proxy', restartPolicy: 'Always', ports: [{ name: 'admin', containerPort: 9901, protocol: 'UDP' }] };
    const init = { name: 'init', ports: [{ name: 'never', containerPort: 1 }] };
    const pod = valid({
      ...POD,
      spec: { nodeName: 'node-0', serviceAccountName: 'robot', containers: [main], initContainers: [sidecar, init] },
      status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }], hostIP: '192.168.0.1' },
    });
    assert.ok(pod.kind === 'Pod');
    assert.deepEqual(pod.spec.ports, [
      { name: 'http', number: 80, protocol: 'TCP' },
      { name: 'admin', number: 9901, protocol: 'UDP' },
    ]);
    assert.deepEqual([pod.spec.nodeName, pod.spec.serviceAccountName, pod.spec.hostNetwork], ['node-0', 'robot', false]);
    assert.deepEqual(pod.status, { phase: 'Running', addresses: ['10.0.0.1', 'fd00::1'] });
  });

  test('of an old server has one address', () => {
    const pod = valid({ ...POD, status: { podIP: '10.0.0.1' } });
    assert.deepEqual(pod.kind === 'Pod' && pod.status.addresses, ['10.0.0.1']);
  });

  test('that is nowhere yet has none', () => {
    const pod = valid({ ...POD, spec: null, status: null });
    assert.deepEqual(pod.kind === 'Pod' && [pod.spec.nodeName, pod.status.addresses], [undefined, []]);
  });
});

test('a Node has its addresses and the networks of its pods; read as metadata it has none', () => {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-0' } };
  const full = valid({
    ...node,
    spec: { podCIDR: '10.0.0.0/24' },
    status: { addresses: [{ type: 'InternalIP', address: '192.168.0.1' }], images: [] },
  });
  assert.deepEqual(full.kind === 'Node' && [full.spec, full.status], [
    { podCIDRs: ['10.0.0.0/24'] },
    { addresses: [{ type: 'InternalIP', address: '192.168.0.1' }] },
  ]);
  const bare = valid(node);
  assert.deepEqual(bare.kind === 'Node' && [bare.spec.podCIDRs, bare.status.addresses], [[], []]);
});

describe('a policy', () => {
  const policies = [
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'p' } },
    { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'p' } },
    { apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata: { name: 'p', namespace: 'x' } },
  ];
  for (const policy of policies) {
    test(`${policy.kind} is seen whatever stands in it`, () => {
      const labels = { a: 5 };
      const seen = valid({ ...policy, metadata: { ...policy.metadata, labels, annotations: 'x', creationTimestamp: 7 }, spec: ['odd'] });
      assert.ok(seen.kind === policy.kind && 'spec' in seen);
      assert.deepEqual(
        [seen.spec, seen.metadata.labels, seen.metadata.namespace],
        [['odd'], {}, policy.kind.includes('wide') ? '' : 'default'],
      );
    });
  }
});

const WRONG: readonly [what: string, spec: unknown, problems: readonly string[]][] = [
  ['an unknown field', { podSelector: {}, more: 1 }, [' has no field "more"']],
  ['an unknown field inside', { ingress: [{ from: [{ pods: {} }] }] }, ['ingress.0.from.0 has no field "pods"']],
  [
    'a port that is none',
    { ingress: [{ ports: [{ port: true }] }] },
    ['ingress.0.ports.0.port must be a port number (1 to 65535) or the name of a port, not true'],
  ],
  ['no mapping', 'x', [' must be a mapping, not "x"']],
];

for (const [what, spec, problems] of WRONG) {
  test(`what is wrong in a spec has a path: ${what}`, () => {
    const reading = readSpec(networkPolicySpec, spec);
    assert.ok(reading.result === 'invalid');
    assert.deepEqual(
      reading.problems.map(({ path, message }) => `${path.join('.')} ${message}`),
      problems,
    );
  });
}
