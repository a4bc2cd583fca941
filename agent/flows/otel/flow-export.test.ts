import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FlowRing } from '../../../flows/index.ts';
import { exampleFlow } from '../../../flows/testing/example-flow.ts';
import { eventually } from '../../../testkit/eventually.ts';
import { FlowExport, type Sent } from './flow-export.ts';

const TAKEN: Sent = { result: 'taken', refused: 0 };
const FAILED: Sent = { result: 'failed', message: 'away' };

/** A ring of a capacity, and an export to a collector that answers as it is told to. */
function scene(capacity: number, { wanted = () => true }: { readonly wanted?: (number: number) => boolean } = {}) {
  const ring = new FlowRing(capacity);
  const [received, failures]: [number[], string[]] = [[], []];
  const collector = { answer: TAKEN };
  const flows = new FlowExport({
    ring,
    matches: ({ sourcePort }) => wanted(sourcePort),
    encode: ({ sourcePort }) => sourcePort,
    send: (batch) => {
      if (collector.answer.result === 'taken') received.push(...batch);
      return Promise.resolve(collector.answer);
    },
    onFailure: (message) => failures.push(message),
    gatherMs: 1,
    backOff: { firstMs: 1, maxMs: 5 },
  });
  const add = (count: number) => {
    for (let index = 0; index < count; index++) ring.add(exampleFlow({ sourcePort: ring.seen }));
  };
  return { ring, flows, received, failures, collector, add };
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

  test('are those that are wanted', async () => {
    const { flows, received, add } = scene(100, { wanted: (number) => number % 10 === 0 });
    await using _flows = flows;
    add(50);
    await eventually(() => assert.deepEqual(received, [0, 10, 20, 30, 40]));
    assert.equal(flows.state().lost, 0);
  });

  test('hold up nobody who stops', async () => {
    const { flows, failures, collector, add } = scene(100);
    collector.answer = FAILED;
    add(3);
    await eventually(() => assert.deepEqual(failures, ['away']));
    await flows[Symbol.asyncDispose]();
  });
});
