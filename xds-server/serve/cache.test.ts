import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, type ResourceName, SnapshotCache, XdsError } from './index.ts';

const ENDPOINTS: ResourceName = { typeUrl: ENDPOINTS_TYPE, name: 'e' };
const endpoints = modelResource(ENDPOINTS_TYPE, 'e', '1');
const cluster = modelResource(CLUSTER_TYPE, 'c', '1', [ENDPOINTS]);

function changesOf(cache: SnapshotCache): string[][] {
  const changes: string[][] = [];
  cache.watch(({ names }) => changes.push(names.map(({ name }) => name).sort()));
  return changes;
}

function hasCode(code: string) {
  return (error: unknown) => error instanceof XdsError && error.code === code;
}

describe('a snapshot cache', () => {
  test('has nothing to serve before the first change, and has after it, be it empty', () => {
    const cache = new SnapshotCache();
    assert.equal(cache.isReady, false);
    cache.replace([]);
    assert.equal(cache.isReady, true);
    assert.equal(cache.revision, 1);
  });

  test('replaces the whole state and says what changed', () => {
    const cache = new SnapshotCache();
    const changes = changesOf(cache);
    cache.replace([endpoints, cluster]);
    cache.replace([endpoints, modelResource(CLUSTER_TYPE, 'd', '1', [ENDPOINTS])]);
    assert.deepEqual(changes, [
      ['c', 'e'],
      ['c', 'd'],
    ]);
    assert.equal(cache.get({ typeUrl: CLUSTER_TYPE, name: 'c' }), undefined);
    assert.deepEqual([...cache.ofType(CLUSTER_TYPE).keys()], ['d']);
  });

  test('leaves alone what has an equal version', () => {
    const cache = new SnapshotCache();
    cache.replace([endpoints, cluster]);
    const changes = changesOf(cache);
    cache.replace([modelResource(ENDPOINTS_TYPE, 'e', '1'), cluster]);
    cache.apply({ upserts: [], removals: [{ typeUrl: CLUSTER_TYPE, name: 'absent' }] });
    assert.deepEqual(changes, []);
    assert.equal(cache.revision, 1);
    assert.equal(cache.get(ENDPOINTS), endpoints);
  });

  for (const [title, change, code] of [
    ['a resource that requires what is not there', { upserts: [cluster], removals: [ENDPOINTS] }, 'inconsistent'],
    ['the removal of what is required', { upserts: [], removals: [ENDPOINTS] }, 'inconsistent'],
    ['a name set twice', { upserts: [endpoints, endpoints], removals: [] }, 'contradiction'],
    ['a name set and removed', { upserts: [endpoints], removals: [ENDPOINTS] }, 'contradiction'],
  ] as const) {
    test(`refuses ${title}, and keeps what was there`, () => {
      const cache = new SnapshotCache();
      cache.replace([endpoints, cluster]);
      const changed = change.upserts.map((resource) => ({ ...resource, version: '2' }));
      assert.throws(() => cache.apply({ upserts: changed, removals: change.removals }), hasCode(code));
      assert.equal(cache.revision, 1);
      assert.equal(cache.get({ typeUrl: CLUSTER_TYPE, name: 'c' }), cluster);
    });
  }

  test('takes a removal together with that of what requires it', () => {
    const cache = new SnapshotCache();
    cache.replace([endpoints, cluster]);
    cache.apply({ upserts: [], removals: [ENDPOINTS, { typeUrl: CLUSTER_TYPE, name: 'c' }] });
    assert.equal(cache.get(ENDPOINTS), undefined);
  });

  test('takes a removal once nothing requires it any more', () => {
    const cache = new SnapshotCache();
    cache.replace([endpoints, cluster]);
    cache.apply({ upserts: [modelResource(CLUSTER_TYPE, 'c', '2')], removals: [] });
    cache.apply({ upserts: [], removals: [ENDPOINTS] });
    assert.equal(cache.get(ENDPOINTS), undefined);
  });
});

describe('a partial cache', () => {
  test('tells what does not exist from what it does not know', () => {
    const cache = new SnapshotCache({ partial: true });
    const changes = changesOf(cache);
    assert.deepEqual([cache.isUnknown(CLUSTER_TYPE, 'c'), cache.knows(CLUSTER_TYPE)], [true, false]);
    cache.apply({ upserts: [cluster], removals: [{ typeUrl: CLUSTER_TYPE, name: 'd' }] });
    assert.deepEqual([cache.isUnknown(CLUSTER_TYPE, 'c'), cache.isUnknown(CLUSTER_TYPE, 'd')], [false, false]);
    assert.equal(cache.isUnknown(ENDPOINTS_TYPE, 'e'), true, 'what the cluster requires need not be there');
    assert.deepEqual([cache.knows(CLUSTER_TYPE), cache.knows(ENDPOINTS_TYPE)], [true, false]);
    cache.forget(CLUSTER_TYPE, ['c', 'd']);
    assert.deepEqual([cache.isUnknown(CLUSTER_TYPE, 'c'), cache.isUnknown(CLUSTER_TYPE, 'd')], [true, true]);
    cache.learn(ENDPOINTS_TYPE);
    assert.equal(cache.knows(ENDPOINTS_TYPE), true);
    assert.deepEqual(changes, [['c', 'd'], []]);
  });
});
