import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metrics } from '../../controller/admin/metrics.ts';
import type { TakenChange } from './change-listener.ts';
import { ChangeMetrics } from './change-metrics.ts';

const NAME = { typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name: 'web' };

function changed(revision: number, { isEmpty = false } = {}): TakenChange {
  return {
    batch: { upserts: [], removals: [], timing: { seenAt: performance.now(), readMs: 1 } },
    change: { upserts: [], removals: isEmpty ? [] : [NAME] },
    revision,
    timing: { readMs: 1, ingestMs: 2, translateMs: 3, publishMs: 4 },
  };
}

function scene(...nodes: readonly string[]) {
  const connected = new Set(nodes);
  const took: number[] = [];
  const stages: string[] = [];
  let age = () => Number.NaN;
  const metrics: Pick<Metrics, 'stage' | 'propagated' | 'watchUnanswered'> = {
    stage: (of, stage, milliseconds) => stages.push(`${of} ${stage} ${milliseconds}`),
    propagated: (_for, milliseconds) => took.push(milliseconds),
    watchUnanswered: (_for, read) => {
      age = read;
    },
  };
  const changes = new ChangeMetrics({ metrics, changesFor: 'envoys', connected: () => connected });
  changes.changed(changed(1));
  changes.synced(nodes[0] ?? '', 1);
  return { connected, changes, took, stages, age: () => age() };
}

test('a change has taken as long as the last node that was connected', async () => {
  const { changes, took, stages, age } = scene('n1', 'n2');
  assert.deepEqual([took, age()], [[], 0], 'what is read first is no change');
  changes.changed(changed(2));
  changes.synced('n1', 2);
  await sleep(20);
  assert.deepEqual(took, []);
  assert.ok(age() >= 19);
  changes.synced('n2', 2);
  assert.ok(took.length === 1 && took.every((milliseconds) => milliseconds >= 19), String(took));
  assert.equal(age(), 0);
  assert.deepEqual(stages.slice(-4), ['envoys read 1', 'envoys ingest 2', 'envoys translate 3', 'envoys publish 4']);
});

test('a node that is gone is not waited for, and what the others took is not longer for it', async () => {
  const { changes, connected, took, age } = scene('n1', 'n2');
  changes.changed(changed(2));
  changes.synced('n1', 2);
  await sleep(50);
  changes.left('n2');
  assert.ok(took.length === 1 && took.every((milliseconds) => milliseconds < 50), String(took));
  changes.changed(changed(3));
  connected.clear();
  assert.equal(age(), 0, 'nor is one that stands by');
});

test('what came to nothing is not waited for, and what nobody was connected for is in force with the first answer', () => {
  const { changes, took } = scene();
  changes.changed(changed(1, { isEmpty: true }));
  changes.synced('n1', 1);
  assert.deepEqual(took, []);
  changes.changed(changed(2));
  changes.synced('n1', 2);
  assert.equal(took.length, 1);
});
