import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
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
async function timesOf(
  ring: FlowRing,
  query: Partial<FlowQuery>,
  signal = new AbortController().signal,
  now?: () => bigint,
): Promise<number[]> {
  const times: number[] = [];
  for await (const observed of observe(ring, { matches: ALL, ...query }, signal, now)) {
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

describe('of what is to come until a time', () => {
  const follow = { follow: true, until: 5n } as const;

  test('a flow of a later one ends it', async () => {
    const ring = ringOf(2);
    const [times, never] = [timesOf(ring, follow, undefined, () => 0n), exampleFlow({ time: 4n })];
    await setImmediate();
    for (const time of [5n, 3n, 6n]) ring.add(exampleFlow({ time }));
    ring.add(never);
    assert.deepEqual(await times, [0, 1, 5, 3]);
  });

  test('what is remembered is told, in whatever order it came, once the time is over', async () => {
    const ring = new FlowRing(10);
    for (const time of [1n, 9n, 2n]) ring.add(exampleFlow({ time }));
    assert.deepEqual(await timesOf(ring, follow, undefined, () => 5n), [1, 2]);
  });

  test('it ends when the time has come, though there is no flow', async () => {
    let [now, asked] = [0n, 0];
    const times = timesOf(ringOf(1), { ...follow, until: 2_000_000n }, undefined, () => {
      asked += 1;
      now += 1_000_000n;
      return now;
    });
    assert.deepEqual(await times, [0]);
    assert.equal(asked, 2);
  });

  test('and when nobody wants it any more', async () => {
    const over = new AbortController();
    const times = timesOf(ringOf(1), { ...follow, until: 2n ** 63n }, over.signal);
    await setImmediate();
    over.abort();
    assert.deepEqual(await times, [0]);
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
      let waiting = globalThis.setImmediate(function count() {
        turns++;
        waiting = globalThis.setImmediate(count);
      });
      assert.deepEqual(await timesOf(ringOf(60), { ...query, matches: slow }), []);
      clearImmediate(waiting);
      assert.ok(turns >= 5, `${turns}`);
    });
  }

  test('and what comes meanwhile and is forgotten for it was not asked for', async () => {
    const ring = ringOf(20, 20);
    const arriving = globalThis.setImmediate(() => {
      for (let time = 20n; time < 30n; time++) ring.add(exampleFlow({ time }));
    });
    assert.deepEqual(await timesOf(ring, { number: 1, matches: slow }), []);
    clearImmediate(arriving);
    assert.equal(ring.seen, 30);
  });
});

test('what is forgotten while somebody hears of what was lost is lost, too', async () => {
  const ring = ringOf(2, 2);
  const flows = observe(ring, { follow: true, matches: ALL }, new AbortController().signal);
  assert.equal((await flows.next()).value?.kind, 'flow');
  for (const lost of [3, 4]) {
    for (let more = 0; more < 4; more++) ring.add(exampleFlow());
    assert.deepEqual((await flows.next()).value, { kind: 'lost', count: lost });
  }
  assert.deepEqual((await flows.next()).value, { kind: 'flow', number: 8, flow: ring.at(8) });
});

test('what comes and is forgotten while somebody reads who does not follow was not asked for', async () => {
  const ring = ringOf(3, 3);
  const flows = observe(ring, { matches: ALL }, new AbortController().signal);
  assert.equal((await flows.next()).value?.kind, 'flow');
  for (let time = 3n; time < 10n; time++) ring.add(exampleFlow({ time }));
  assert.deepEqual((await flows.next()).value, { kind: 'lost', count: 2 });
  assert.equal((await flows.next()).done, true);
});

test('a ring holds at least one flow', () => assert.throws(() => new FlowRing(0), RangeError));
