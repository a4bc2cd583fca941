import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TakenAddress } from '../../bpf/datapath/index.ts';
import { OpeningsForPods } from './openings-for-pods.ts';

const [CLIENT, WEB] = ['10.0.0.2', '10.0.0.3'];
const [LISTENER, SLOT, OTHER_SLOT, COPY] = [10_001, 10_002, 10_003, 10_004];
const OPENED = 0xd02;
const LED = 0xd03;
const TAKEN: TakenAddress = { address: '10.96.0.1', port: 80, fromOutside: false, listener: LISTENER, ready: true };

function markOf(kind: number, port: number): number {
  return ((port << 16) | kind) >>> 0;
}

class Scene {
  taken: readonly TakenAddress[] = [TAKEN];
  slot: number | undefined = 0;
  failure: string | undefined;
  lists = 0;
  readonly failures: string[] = [];
  readonly open = new Set<number>();
  readonly openings = new OpeningsForPods({
    datapath: {
      taken: {
        entries: () =>
          (function* (all) {
            yield* all;
          })(this.taken),
      },
      askedCopies: { slotOf: (copy) => (copy === COPY ? SLOT : 0) },
      judgeOpenedForPods: (all) =>
        all.map((opened) => {
          assert.deepEqual(opened, { source: CLIENT, destination: WEB, port: 8080 });
          return this.slot;
        }),
    },
    connections: {
      list: ({ mark: wanted, mask }) => {
        this.lists += 1;
        if (this.failure !== undefined) throw new Error(this.failure);
        const found = [...this.open].filter((mark) => (mark & mask) === wanted);
        const ends = { source: CLIENT, sourcePort: 64_100, destination: WEB, destinationPort: 8080 };
        return found.map((mark) => ({ family: 'ipv4', ...ends, mark, id: new Uint8Array() }));
      },
      destroy: ({ mark }) => this.open.delete(mark),
    },
    onFailure: ({ message }) => this.failures.push(message),
  });

  isKept(mark: number): boolean {
    this.open.add(mark);
    this.openings.review();
    return this.open.delete(mark);
  }
}

describe('what Envoy opened for pods that asked Services which listeners take', () => {
  for (const [what, slot, mark, isKept] of [
    ['goes to whom it may', 0, markOf(OPENED, LISTENER), true],
    ['goes by the slot that decides', SLOT, markOf(LED, SLOT), true],
    ['was asked the rules of the slot that decides', SLOT, markOf(OPENED, COPY), true],
    ['was asked the rules of another slot', OTHER_SLOT, markOf(OPENED, COPY), false],
    ['was asked, and may not go there', undefined, markOf(OPENED, COPY), false],
    ['was asked, and goes by a slot that does not decide', SLOT, markOf(LED, COPY), false],
    ['may go there no more', undefined, markOf(OPENED, LISTENER), false],
    ['may go there no more, by the slot', undefined, markOf(LED, SLOT), false],
    ['has a slot by now', SLOT, markOf(OPENED, LISTENER), false],
    ['has another slot by now', OTHER_SLOT, markOf(LED, SLOT), false],
    ['has no slot any more', 0, markOf(LED, SLOT), false],
    ['is for Ingresses', undefined, 0xd00, true],
    ['is for Ingresses, by a slot', undefined, markOf(0xd01, SLOT), true],
    ['is of a slot', undefined, markOf(0xb00, SLOT), true],
  ] as const) {
    test(`${isKept ? 'is kept' : 'ends'} where it ${what}`, () => {
      const scene = new Scene();
      scene.slot = slot;
      assert.equal(scene.isKept(mark), isKept);
    });
  }

  test('is looked for as long as something is taken, and until it has ended', () => {
    const scene = new Scene();
    scene.taken = [];
    scene.open.add(markOf(OPENED, LISTENER));
    for (const lists of [1, 2]) {
      scene.openings.review();
      assert.equal(scene.lists, lists);
    }
    scene.open.clear();
    for (const lists of [3, 3]) {
      scene.openings.review();
      assert.equal(scene.lists, lists, 'there is none, and nothing is taken');
    }
    scene.taken = [TAKEN];
    scene.openings.review();
    assert.equal(scene.lists, 4);
  });

  test('is looked for again where that failed, of which is told once', () => {
    const scene = new Scene();
    scene.taken = [];
    scene.failure = 'not now';
    for (let time = 0; time < 2; time += 1) scene.openings.review();
    assert.deepEqual([scene.failures, scene.lists], [['not now'], 2]);
  });
});
