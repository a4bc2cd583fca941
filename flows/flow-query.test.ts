import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FlowQuery, observe } from './flow-query.ts';
import { FlowRing } from './flow-ring.ts';
import { exampleFlow } from './testing/example-flow.ts';

/** A ring with flows at the times 0, 1, …, in nanoseconds. */
function ringOf(count: number, capacity = 100): FlowRing {
  const ring = new FlowRing(capacity);
  for (let time = 0; time < count; time++) ring.add(exampleFlow({ time: BigInt(time) }));
  return ring;
}

const ALL = () => true;

/** Times of flows; `-N` for so many that were lost. */
async function timesOf(ring: FlowRing, query: Partial<FlowQuery>, signal = new AbortController().signal): Promise<number[]> {
  const times: number[] = [];
  for await (const observed of observe(ring, { matches: ALL, ...query }, signal)) {
    times.push(observed.kind === 'flow' ? Number(observed.flow.time) : -observed.count);
  }
  return times;
}

describe('of what is remembered', () => {
  const even: FlowQuery['matches'] = ({ time }) => time % 2n === 0n;
  for (const [what, query, expected] of [
    ['all', {}, [0, 1, 2, 3, 4, 5, 6, 7]],
    ['the last', { number: 2 }, [6, 7]],
    ['the last that match', { number: 2, matches: even }, [4, 6]],
    ['the first', { number: 2, first: true }, [0, 1]],
    ['the first that match', { number: 3, first: true, matches: even }, [0, 2, 4]],
    ['none', { number: 0 }, []],
    ['those of a time', { since: 2n, until: 4n }, [2, 3, 4]],
    ['the last of a time', { since: 1n, number: 2, until: 5n }, [4, 5]],
    ['more than there are', { number: 100 }, [0, 1, 2, 3, 4, 5, 6, 7]],
  ] as const) {
    test(what, async () => assert.deepEqual(await timesOf(ringOf(8), query), expected));
  }

  test('the oldest are forgotten, which is nothing lost to who asks later', async () => {
    const ring = ringOf(8, 3);
    assert.deepEqual(await timesOf(ring, {}), [5, 6, 7]);
    assert.deepEqual([ring.seen, ring.size, ring.oldest], [8, 3, 5]);
  });
});

describe('of what is to come', () => {
  test('each is told, and what came too fast is counted', async () => {
    const ring = ringOf(2, 4);
    const over = new AbortController();
    const flows = observe(ring, { number: 1, follow: true, matches: ALL }, over.signal);
    assert.deepEqual((await flows.next()).value, { kind: 'flow', number: 1, flow: ring.at(1) });
    const next = flows.next();
    ring.add(exampleFlow({ time: 2n }));
    assert.deepEqual((await next).value, { kind: 'flow', number: 2, flow: ring.at(2) });
    for (let time = 3n; time < 10n; time++) ring.add(exampleFlow({ time }));
    assert.deepEqual((await flows.next()).value, { kind: 'lost', count: 3 });
    const rest = await Promise.all([flows.next(), flows.next(), flows.next(), flows.next()]);
    assert.deepEqual(
      rest.map(({ value }) => value?.kind === 'flow' && value.number),
      [6, 7, 8, 9],
    );
    const last = flows.next();
    over.abort();
    assert.equal((await last).done, true);
  });

  test('several follow, and one that leaves holds up nobody', async () => {
    const ring = ringOf(0);
    const [leaves, stays] = [new AbortController(), new AbortController()];
    const query = { follow: true, matches: ALL };
    const [left, all] = [observe(ring, query, leaves.signal), observe(ring, query, stays.signal)];
    const [gone, first] = [left.next(), all.next()];
    leaves.abort();
    assert.equal((await gone).done, true);
    ring.add(exampleFlow());
    assert.equal((await first).value?.kind, 'flow');
    stays.abort();
  });
});

describe('others have their turn while it is looked', () => {
  /** As long as it takes to look by what is slow. */
  const slow: FlowQuery['matches'] = () => {
    const until = performance.now() + 1;
    while (performance.now() < until);
    return false;
  };
  for (const [what, query] of [
    ['for the last', { number: 1 }],
    ['for the first', { number: 1, first: true }],
  ] as const) {
    test(what, async () => {
      let turns = 0;
      let waiting = setImmediate(function count() {
        turns++;
        waiting = setImmediate(count);
      });
      assert.deepEqual(await timesOf(ringOf(60), { ...query, matches: slow }), []);
      clearImmediate(waiting);
      assert.ok(turns >= 5, `${turns}`);
    });
  }

  test('and what comes meanwhile and is forgotten for it was not asked for', async () => {
    const ring = ringOf(20, 20);
    const arriving = setImmediate(() => {
      for (let time = 20n; time < 30n; time++) ring.add(exampleFlow({ time }));
    });
    assert.deepEqual(await timesOf(ring, { number: 1, matches: slow }), []);
    clearImmediate(arriving);
    assert.equal(ring.seen, 30);
  });
});

test('a ring holds at least one flow', () => assert.throws(() => new FlowRing(0), RangeError));
