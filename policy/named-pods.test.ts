import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PolicyEngine } from './index.ts';
import { viewOf } from './testing/compile.ts';
import { namespace, node, pod } from './testing/manifests.ts';

const CLUSTER = [namespace('default'), node('node-0', '192.168.56.10', '10.244.0.0/24')];
const ADDRESS = '10.244.0.2';
const HASH = '5d5f6dd8f';

function owned(ownerReferences: unknown, labels: Readonly<Record<string, string>> = {}, name = 'web-1') {
  const made = pod(name, ADDRESS, { app: 'web', ...labels });
  return { ...made, metadata: { ...made.metadata, ownerReferences } };
}

function by(kind: string, name: string): readonly object[] {
  return [{ apiVersion: 'v1', kind, name, uid: 'u', controller: true }];
}

function engineWith(...objects: readonly unknown[]): PolicyEngine {
  const engine = new PolicyEngine();
  for (const object of [...CLUSTER, ...objects]) engine.put(viewOf(object));
  return engine;
}

function podOf(engine: PolicyEngine) {
  return engine.flush().addresses.upserts.find(({ prefix }) => prefix === `${ADDRESS}/32`)?.pod;
}

describe('the workload of a pod', () => {
  for (const [what, made, workload] of [
    ['its Deployment', owned(by('ReplicaSet', `web-${HASH}`), { 'pod-template-hash': HASH }), 'Deployment/web'],
    ['its ReplicaSet, where that has another name', owned(by('ReplicaSet', 'web'), { 'pod-template-hash': HASH }), 'ReplicaSet/web'],
    ['its ReplicaSet, where nothing says of a template', owned(by('ReplicaSet', 'web-')), 'ReplicaSet/web-'],
    ['its StatefulSet', owned(by('StatefulSet', 'web')), 'StatefulSet/web'],
    ['its DaemonSet', owned(by('DaemonSet', 'web')), 'DaemonSet/web'],
    ['its Job', owned(by('Job', 'web-12')), 'Job/web-12'],
    ['the CronJob of its Job', owned(by('Job', 'web-28970100')), 'CronJob/web'],
    ['itself, where nobody made it', owned(undefined), 'Pod/web-1'],
    ['itself, where it is of a node', owned(by('Node', 'node-0')), 'Pod/web-1'],
    ['itself, where its owner does not control it', owned([{ kind: 'Job', name: 'web', uid: 'u' }]), 'Pod/web-1'],
    ['itself, where its owners cannot be read', owned([{ kind: 1 }]), 'Pod/web-1'],
  ] as const) {
    test(`is ${what}`, () => {
      const named = podOf(engineWith(made));
      assert.deepEqual([named?.namespace, named?.name], ['default', 'web-1']);
      assert.equal(`${named?.workload.kind}/${named?.workload.name}`, workload);
    });
  }
});

describe('an address', () => {
  test('is told anew when its pod has another name or workload, and nothing else is', () => {
    const engine = engineWith(owned(by('StatefulSet', 'web')));
    engine.flush();
    engine.put(viewOf(owned(by('StatefulSet', 'api'))));
    const { addresses, ...others } = engine.flush();
    assert.deepEqual(
      addresses.upserts.map((entry) => entry.pod?.workload.name),
      ['api'],
    );
    assert.deepEqual([others.identities.upserts, others.policies.upserts, others.endpoints.upserts], [[], [], []]);
    engine.delete({ kind: 'Pod', namespace: 'default', name: 'web-1' });
    engine.put(viewOf(owned(by('StatefulSet', 'api'), {}, 'web-2')));
    assert.equal(podOf(engine)?.name, 'web-2');
  });

  test('is not told anew for what is not said of it', () => {
    const engine = engineWith(owned(by('StatefulSet', 'web')));
    engine.flush();
    engine.put(viewOf(owned([...by('StatefulSet', 'web'), { kind: 'Job', name: 'other', uid: 'u' }], { 'pod-template-hash': HASH })));
    assert.deepEqual(engine.flush().addresses, { upserts: [], removals: [] });
  });

  test('is no pod of the host network', () => {
    const onHost = pod('host', '192.168.56.10', {}, { spec: { hostNetwork: true } });
    const told = engineWith(onHost).flush().addresses.upserts;
    assert.ok(told.length > 0);
    assert.deepEqual(
      told.flatMap((entry) => entry.pod ?? []),
      [],
    );
  });
});
