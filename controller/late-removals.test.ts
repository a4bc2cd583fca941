import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelResource } from '../testkit/xds/model-resources.ts';
import { CLUSTER_TYPE } from '../xds-server/serve/index.ts';
import { LateRemovals } from './late-removals.ts';

const named = (name: string) => ({ typeUrl: CLUSTER_TYPE, name });
const late = (name: string) => ({ ...named(name), isLate: true }) as const;

class Scene implements Disposable {
  readonly removed: string[][] = [];
  isNeeded = false;
  readonly removals = new LateRemovals({
    delayMs: 1000,
    remove: (names) => {
      if (this.isNeeded) return false;
      this.removed.push(names.map(({ name }) => name));
      return true;
    },
  });

  take(
    upserts: readonly string[],
    removals: readonly ({ readonly typeUrl: string; readonly name: string } & { readonly isLate?: true })[],
  ) {
    const change = this.removals.take({ upserts: upserts.map((name) => modelResource(CLUSTER_TYPE, name, '1')), removals });
    return { upserts: change.upserts.map(({ name }) => name), removals: change.removals.map(({ name }) => name) };
  }

  [Symbol.dispose](): void {
    this.removals[Symbol.dispose]();
  }
}

test('what is removed late waits, and all else goes on', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  using scene = new Scene();
  assert.deepEqual(scene.take(['a'], [named('b'), late('c'), late('d')]), { upserts: ['a'], removals: ['b'] });
  t.mock.timers.tick(999);
  assert.deepEqual(scene.removed, []);
  t.mock.timers.tick(1);
  assert.deepEqual(scene.removed, [['c', 'd']]);
});

test('what came again meanwhile stays, and what went again waits anew', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  using scene = new Scene();
  scene.take([], [late('a'), late('b')]);
  scene.take(['a', 'b'], []);
  t.mock.timers.tick(500);
  scene.take([], [late('b')]);
  t.mock.timers.tick(500);
  assert.deepEqual(scene.removed, []);
  t.mock.timers.tick(500);
  assert.deepEqual(scene.removed, [['b']]);
});

test('what is needed is tried again', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  using scene = new Scene();
  scene.isNeeded = true;
  scene.take([], [late('a')]);
  t.mock.timers.tick(1000);
  scene.isNeeded = false;
  assert.deepEqual(scene.removed, []);
  t.mock.timers.tick(1000);
  assert.deepEqual(scene.removed, [['a']]);
});
