import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Action } from '../../kube/index.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { IdentityNumbers } from './identity-numbers.ts';

const ref = (name: string) => ({ kind: 'SluiceIdentity', namespace: '', name });

function given(name: string, ...labels: readonly string[]): Action {
  const manifest = { apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceIdentity', metadata: { name }, spec: { labels } };
  return { kind: 'apply', ref: ref(name), manifest };
}

function taken(name: string): Action {
  return { kind: 'delete', ref: ref(name), apiVersion: 'sluice.io/v1alpha1', uid: name };
}

test('numbers are the same after a restart, until they are taken back', () => {
  using folder = new TemporaryFolder();
  const numbers = IdentityNumbers.open(folder.path);
  const { upserts } = numbers.take([given('256', 'k8s:app=web'), given('257', 'k8s:app=api')]);
  assert.deepEqual(
    upserts.map(({ metadata, spec }) => [metadata.name, spec.labels]),
    [
      ['256', ['k8s:app=web']],
      ['257', ['k8s:app=api']],
    ],
  );
  assert.deepEqual(IdentityNumbers.open(folder.path).objects(), upserts);
  const { removals } = numbers.take([taken('256'), taken('300')]);
  assert.deepEqual(removals, [ref('256')]);
  assert.deepEqual(IdentityNumbers.open(folder.path).objects(), upserts.slice(1));
});

test('what is about other objects is nothing of it', () => {
  using folder = new TemporaryFolder();
  const status = { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name: 'a' }, status: {} };
  const about = { kind: 'CiliumNetworkPolicy', namespace: 'default', name: 'a' };
  const change = IdentityNumbers.open(folder.path).take([{ kind: 'status', ref: about, manifest: status, uid: 'a' }]);
  assert.deepEqual(change, { upserts: [], removals: [] });
});

test('a file that cannot be read is as none', () => {
  using folder = new TemporaryFolder();
  for (const content of ['', '{', '{"0":["a"]}', '{"256":[]}', '[]']) {
    writeFileSync(folder.join('identities.json'), content);
    assert.deepEqual(IdentityNumbers.open(folder.path).objects(), [], content);
  }
});

test('where it cannot be written, nothing has changed', () => {
  using folder = new TemporaryFolder();
  const numbers = IdentityNumbers.open(folder.join('missing'));
  assert.throws(() => numbers.take([given('256', 'k8s:app=web')]), { code: 'ENOENT' });
  assert.deepEqual(numbers.objects(), []);
});
