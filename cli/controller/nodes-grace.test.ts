import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testkit/manual-clock.ts';
import { NodesGrace } from './nodes-grace.ts';

const NO_NODES = { severity: 'error', code: 'NoNodes', message: 'no agent is ready', path: [] } as const;
const OTHER = { ...NO_NODES, code: 'ServiceNotFound' } as const;

function scene() {
  const clock = new ManualClock();
  const told: number[] = [];
  const grace = new NodesGrace({ clock, onOver: () => told.push(clock.now()) });
  return { clock, told, grace };
}

test('that no node serves is told a minute after nodes can connect, and what else is wrong at once', async () => {
  const { clock, told, grace } = scene();
  await clock.pass(3_600_000);
  assert.deepEqual([grace.holdsBack(NO_NODES), grace.holdsBack(OTHER)], [true, false]);
  grace.begin();
  await clock.pass(59_999);
  assert.equal(grace.holdsBack(NO_NODES), true);
  await clock.pass(1);
  assert.equal(grace.holdsBack(NO_NODES), false);
  assert.deepEqual(told, [3_660_000]);
});

test('that the nodes are lost which served is told at once', async () => {
  const { clock, told, grace } = scene();
  grace.begin();
  grace.end();
  assert.equal(grace.holdsBack(NO_NODES), false);
  await clock.pass(100_000);
  assert.deepEqual(told, []);
});
