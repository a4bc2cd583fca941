import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../testkit/eventually.ts';
import { NodeViews, SnapshotCache } from '../xds-server/serve/index.ts';
import { NodeGrants } from './node-grants.ts';
import type { ServedNodes } from './pipeline/pipeline.ts';

const NOTHING = { upserts: [], removals: [] };
/** Longer than any test. */
const NEVER = 600_000;

class Scene implements Disposable {
  readonly views = new NodeViews(new SnapshotCache(), 'nothing');
  readonly prepared: string[] = [];
  changes = 0;
  readonly #grants: NodeGrants;
  #now: ServedNodes | undefined;

  constructor(preparingMs: number, leavingMs: number) {
    this.#grants = new NodeGrants({
      pipeline: {
        takeNodes: () => this.#now,
        prepare: (nodes) => {
          this.prepared.push([...nodes].sort().join());
          return NOTHING;
        },
      },
      views: this.views,
      onChange: () => this.changes++,
      preparingMs,
      leavingMs,
    });
  }

  serve(serving: ServedNodes['serving'], ...known: readonly string[]): void {
    this.#now = { serving, known };
    this.#grants.update();
  }

  /** Of nodes `a`, `b` and `c`, and one that nobody knows. */
  get seeing(): string {
    return ['a', 'b', 'c', 'x'].filter((node) => !this.views.isNothing(node)).join();
  }

  [Symbol.dispose](): void {
    this.#grants.close();
  }
}

describe('what nodes may see', () => {
  test('is nothing before anybody says so, and at once what is said first', () => {
    using scene = new Scene(NEVER, NEVER);
    assert.equal(scene.seeing, '');
    scene.serve(new Set(['a']), 'a', 'b');
    assert.deepEqual([scene.seeing, scene.prepared], ['a', []]);
  });

  test('comes before requests do', async () => {
    using scene = new Scene(1, NEVER);
    scene.serve(new Set(['a']), 'a', 'b', 'c');
    scene.serve(new Set(['a', 'b', 'c']), 'a', 'b', 'c');
    assert.deepEqual([scene.seeing, scene.prepared], ['a,b,c', ['b,c']]);
    await eventually(() => assert.equal(scene.prepared.at(-1), ''));
    assert.equal(scene.changes, 3);
  });

  test('goes when requests do not come any more', async () => {
    using scene = new Scene(NEVER, 50);
    scene.serve('all');
    assert.equal(scene.seeing, 'a,b,c,x');
    scene.serve(new Set(['b']), 'a', 'b');
    assert.equal(scene.seeing, 'a,b');
    await eventually(() => assert.equal(scene.seeing, 'b'));
    assert.deepEqual(scene.prepared, []);
  });

  test('stays where a node comes back in time', () => {
    using scene = new Scene(NEVER, NEVER);
    scene.serve(new Set(['a', 'b']), 'a', 'b');
    scene.serve(new Set(['a']), 'a', 'b');
    scene.serve(new Set(['a', 'b']), 'a', 'b');
    assert.deepEqual([scene.seeing, scene.prepared], ['a,b', []]);
    scene.serve(new Set(['b']), 'b');
    assert.equal(scene.seeing, 'a,b');
  });

  test('is everything for all without a selector, those that were left out with time to take it in', () => {
    using scene = new Scene(NEVER, NEVER);
    scene.serve(new Set(['a']), 'a', 'b');
    scene.serve('all', 'a', 'b');
    assert.deepEqual([scene.seeing, scene.prepared], ['a,b,c,x', ['b']]);
    scene.serve(new Set(['a']), 'a', 'b', 'c');
    assert.deepEqual([scene.seeing, scene.prepared], ['a,b,c', ['b', '']]);
  });
});
