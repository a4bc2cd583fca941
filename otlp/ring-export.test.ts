import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FlowRing } from '../flows/index.ts';
import { exampleFlow } from '../flows/testing/example-flow.ts';
import { eventually } from '../testkit/eventually.ts';
import { RingExport, type Sent } from './ring-export.ts';

const TAKEN: Sent = { result: 'taken', refused: 0 };
const FAILED = { result: 'failed', message: 'away' } as const;

/** A ring of a capacity, and an export to a collector that answers as it is told to. */
function scene(
  capacity: number,
  {
    wanted = () => true,
    encode = (number) => number,
    most = capacity,
    gatherMs = 1,
  }: {
    readonly wanted?: (number: number) => boolean;
    readonly encode?: (number: number) => number;
    readonly most?: number;
    readonly gatherMs?: number;
  } = {},
) {
  const ring = new FlowRing(capacity);
  const [received, batches, failures]: [number[], number[], string[]] = [[], [], []];
  const collector: { answer: Sent | 'none' | 'throws' } = { answer: TAKEN };
  const flows = new RingExport({
    ring,
    matches: ({ sourcePort }) => wanted(sourcePort),
    encode: ({ sourcePort }) => encode(sourcePort),
    send: (batch) => {
      const { answer } = collector;
      if (answer === 'throws') throw new Error('a mistake');
      if (answer === 'none') {
        received.push(...batch);
        return new Promise(() => {});
      }
      if (answer.result !== 'taken') return Promise.resolve(answer);
      if (batch.length > most) return Promise.resolve({ result: 'too-large', message: 'too large' });
      received.push(...batch);
      batches.push(batch.length);
      return Promise.resolve(answer);
    },
    onFailure: (message) => failures.push(message),
    gatherMs,
    backOff: { firstMs: 1, maxMs: 5, maxAskedMs: 200 },
  });
  const add = (count: number) => {
    for (let index = 0; index < count; index++) ring.add(exampleFlow({ sourcePort: ring.seen }));
  };
  return { ring, flows, received, batches, failures, collector, add };
}

describe('flows that a collector is told of', () => {
  test('all come, in order, in batches', async () => {
    const { flows, received, add } = scene(2_000);
    await using _flows = flows;
    add(1_300);
    await eventually(() => assert.equal(received.length, 1_300));
    assert.deepEqual(
      received,
      Array.from({ length: 1_300 }, (_, index) => index),
    );
    await eventually(() => assert.deepEqual(flows.state(), { sent: 1_300, lost: 0, waiting: 0 }));
  });

  for (const [what, capacity, count, expected] of [
    ['a batch that is full', 2_000, 300, [128, 128]],
    ['half of what a small ring remembers', 10, 5, [5]],
  ] as const) {
    test(`do not wait for more: ${what}`, async () => {
      const { flows, batches, add } = scene(capacity, { gatherMs: 3_600_000 });
      await using _flows = flows;
      add(count);
      await eventually(() => assert.deepEqual(batches, expected));
    });
  }

  test('wait while it is away, and those that are forgotten meanwhile are counted', async () => {
    const { flows, received, failures, collector, add } = scene(100);
    await using _flows = flows;
    collector.answer = FAILED;
    add(1);
    await eventually(() => assert.deepEqual(failures, ['away']));
    add(450);
    assert.deepEqual(flows.state(), { sent: 0, lost: 350, waiting: 101, failure: 'away' });
    collector.answer = TAKEN;
    await eventually(() => assert.deepEqual(flows.state(), { sent: 101, lost: 350, waiting: 0 }));
    assert.deepEqual(received, [0, ...Array.from({ length: 100 }, (_, index) => 351 + index)]);
    assert.deepEqual(failures, ['away'], 'it is said once');
  });

  for (const [asks, most, retryAfterMs] of [
    ['as long as it asks for', 100, 100],
    ['no longer than anybody may ask for', 200, 3_600_000],
  ] as const) {
    test(`are sent again ${asks}`, async () => {
      const { flows, failures, collector, add } = scene(100);
      await using _flows = flows;
      collector.answer = { ...FAILED, retryAfterMs };
      const begin = performance.now();
      add(1);
      await eventually(() => assert.deepEqual(failures, ['away']));
      collector.answer = TAKEN;
      await eventually(() => assert.equal(flows.state().sent, 1));
      const waited = performance.now() - begin;
      assert.ok(waited > most - 10 && waited < 10_000, `${waited} ms`);
    });
  }

  test('are lost where it does not take them', async () => {
    const { flows, collector, add } = scene(100);
    await using _flows = flows;
    collector.answer = { result: 'refused', message: 'unauthenticated' };
    add(7);
    await eventually(() => assert.deepEqual(flows.state(), { sent: 0, lost: 7, waiting: 0, failure: 'unauthenticated' }));
    collector.answer = { result: 'taken', refused: 2 };
    add(5);
    await eventually(() => assert.deepEqual(flows.state(), { sent: 3, lost: 9, waiting: 0 }));
  });

  test('come in smaller batches where the collector finds one too large', async () => {
    const { flows, received, failures, add } = scene(100, { most: 10 });
    await using _flows = flows;
    add(100);
    await eventually(() => assert.deepEqual(flows.state(), { sent: 100, lost: 0, waiting: 0 }));
    assert.deepEqual(
      received,
      Array.from({ length: 100 }, (_, index) => index),
    );
    assert.deepEqual(failures, []);
  });

  test('are lost where one is too large by itself, and those after it come', async () => {
    const { flows, add } = scene(100, { most: 0 });
    await using _flows = flows;
    add(3);
    await eventually(() => assert.deepEqual(flows.state(), { sent: 0, lost: 3, waiting: 0, failure: 'too large' }));
  });

  test('that cannot be told of, or not be sent, are counted, and others come', async () => {
    const odd = (number: number) => {
      if (number % 2 === 1) throw new Error('a mistake');
      return number;
    };
    for (const part of [{ encode: odd }, { wanted: (number: number) => odd(number) >= 0 }]) {
      const { flows, received, failures, add } = scene(100, part);
      await using _flows = flows;
      add(4);
      await eventually(() => assert.deepEqual(flows.state(), { sent: 2, lost: 2, waiting: 0 }));
      assert.deepEqual([received, failures], [[0, 2], ['there is what cannot be told of: a mistake']]);
    }
    const { flows, collector, add } = scene(100);
    await using _flows = flows;
    collector.answer = 'throws';
    add(3);
    await eventually(() => assert.deepEqual(flows.state(), { sent: 0, lost: 3, waiting: 0, failure: 'a mistake' }));
    collector.answer = TAKEN;
    add(2);
    await eventually(() => assert.deepEqual(flows.state(), { sent: 2, lost: 3, waiting: 0 }));
  });

  test('are those that are wanted', async () => {
    const { flows, received, add } = scene(100, { wanted: (number) => number % 10 === 0 });
    await using _flows = flows;
    add(50);
    await eventually(() => assert.deepEqual(received, [0, 10, 20, 30, 40]));
    assert.equal(flows.state().lost, 0);
  });

  test('leave others their turn while many are looked at, and are counted meanwhile', async () => {
    let [looked, wanted, sinceOthers, most] = [0, 0, 0, 0];
    const slowly = (number: number) => {
      const until = performance.now() + 1;
      while (performance.now() < until);
      most = Math.max(most, ++sinceOthers);
      looked++;
      if (number % 50 === 0) wanted++;
      return number % 50 === 0;
    };
    const { ring, flows, received, add } = scene(120, { wanted: slowly });
    await using _flows = flows;
    add(120);
    while (looked < 100) {
      await new Promise(setImmediate);
      sinceOthers = 0;
      const { sent, lost, waiting } = flows.state();
      assert.equal(sent + lost + waiting + looked - wanted, ring.seen);
    }
    assert.ok(most < 20, `${most} at a time`);
    add(100);
    await eventually(() => assert.deepEqual(received, [0, 50, 100, 150, 200]));
    await eventually(() => assert.equal(flows.state().waiting, 0));
    const { sent, lost } = flows.state();
    assert.equal(sent + lost + looked - wanted, 220);
  });

  test('hold up nobody who stops', async () => {
    const { flows, failures, collector, add } = scene(100);
    collector.answer = FAILED;
    add(3);
    await eventually(() => assert.deepEqual(failures, ['away']));
    await flows[Symbol.asyncDispose]();
  });

  test('hold up nobody who stops while a batch is under way', async () => {
    const { flows, received, failures, collector, add } = scene(100);
    collector.answer = 'none';
    add(3);
    await eventually(() => assert.equal(received.length, 3));
    await flows[Symbol.asyncDispose]();
    assert.deepEqual(failures, []);
  });
});
