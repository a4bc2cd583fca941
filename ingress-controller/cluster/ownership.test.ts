import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ingressObject, type MetadataInput, serviceObject } from '../../testkit/kube-objects.ts';
import { isMadeByUs, type Ownership, ownershipByIngress, ownershipByLabel } from './ownership.ts';

const INGRESS = ingressObject({}, { name: 'web', uid: 'u1' });
const OURS = { 'app.kubernetes.io/managed-by': 'sluice' };
const CILIUMS = { 'cilium.io/ingress': 'true' };
const GOING = '2026-01-01T00:00:00Z';

function owner(fields: object = {}) {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'web', uid: 'u1', controller: true, ...fields };
}

describe('a Service with the name that an Ingress needs', () => {
  const cases: readonly (readonly [name: string, metadata: MetadataInput | undefined, expected: Ownership])[] = [
    ['is not there', undefined, 'absent'],
    ['is controlled by it', { uid: 's', labels: OURS, ownerReferences: [owner()] }, 'ours'],
    ['was made by Cilium', { uid: 's', labels: CILIUMS, ownerReferences: [owner()] }, 'ours'],
    ['was made by an older Cilium', { uid: 's', labels: CILIUMS, ownerReferences: [owner({ controller: undefined })] }, 'ours'],
    ['is owned, but not controlled, by it', { uid: 's', ownerReferences: [owner({ controller: false })] }, 'foreign'],
    [
      'has another owner beside it',
      { uid: 's', labels: CILIUMS, ownerReferences: [owner({ controller: undefined }), owner({ kind: 'Other', uid: 'o' })] },
      'foreign',
    ],
    ['is controlled by something else', { uid: 's', labels: OURS, ownerReferences: [owner({ kind: 'Gateway' })] }, 'foreign'],
    ['is controlled by another Ingress', { uid: 's', ownerReferences: [owner({ name: 'other', uid: 'u2' })] }, 'foreign'],
    ['is left by an earlier Ingress of its name', { uid: 's', ownerReferences: [owner({ uid: 'u0' })] }, 'going'],
    ['is going away', { uid: 's', deletionTimestamp: GOING, ownerReferences: [owner()] }, 'going'],
    ['belongs to nobody', { uid: 's', labels: { ...OURS, ...CILIUMS } }, 'foreign'],
    ['stands in a file', { ownerReferences: [owner()] }, 'foreign'],
  ];
  for (const [name, metadata, expected] of cases) {
    it(`is ${expected} where it ${name}`, () => {
      assert.equal(ownershipByIngress(metadata && serviceObject({}, metadata), INGRESS), expected);
    });
  }
});

describe('the shared Service', () => {
  const cases: readonly (readonly [name: string, metadata: MetadataInput | undefined, expected: Ownership])[] = [
    ['is not there', undefined, 'absent'],
    ['has our label', { uid: 's', labels: OURS }, 'ours'],
    ["has Cilium's label", { uid: 's', labels: { ...CILIUMS, 'app.kubernetes.io/managed-by': 'Helm' } }, 'foreign'],
    ['has none', { uid: 's' }, 'foreign'],
    ['is going away', { uid: 's', labels: OURS, deletionTimestamp: GOING }, 'going'],
    ['stands in a file', { labels: OURS }, 'foreign'],
  ];
  for (const [name, metadata, expected] of cases) {
    it(`is ${expected} where it ${name}`, () => {
      assert.equal(ownershipByLabel(metadata && serviceObject({}, metadata)), expected);
    });
  }

  it('was made by us where the label says so', () => {
    assert.deepEqual(
      [OURS, CILIUMS, {}].map((labels) => isMadeByUs(serviceObject({}, { labels }))),
      [true, false, false],
    );
  });
});
