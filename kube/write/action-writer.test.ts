import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { ManualClock } from '../../testkit/manual-clock.ts';
import type { ApiRequest } from '../api-server/api-client.ts';
import { ApiError, type ApiErrorCode } from '../api-server/api-error.ts';
import { Random } from '../fuzz/random.ts';
import type { Action } from './action.ts';
import { ActionWriter, type ActionWriterOptions } from './action-writer.ts';

type Answer = (request: ApiRequest) => unknown;

/** An API server that answers as the test says, and remembers what it was asked. */
function scene(answer: Answer = () => ({}), options: Partial<ActionWriterOptions> = {}) {
  const clock = new ManualClock();
  const requests: ApiRequest[] = [];
  const client = {
    request: async (request: ApiRequest) => {
      requests.push(request);
      return await answer(request);
    },
  };
  const writer = new ActionWriter({ client, clock, random: () => 0, ...options });
  const abort = new AbortController();
  let held = true;
  const leadership = { signal: abort.signal, isHeld: () => held };
  const overtake = () => {
    held = false;
  };
  return { clock, requests, writer, leadership, abort, overtake };
}

function status(name: string, address: string): Action {
  const metadata = { name, namespace: 'default' };
  const manifest = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata,
    status: { loadBalancer: { ingress: [{ ip: address }] } },
  };
  return { kind: 'status', ref: { kind: 'Ingress', namespace: 'default', name }, manifest, uid: `uid-of-${name}` };
}

function service(name: string, uid?: string): Action {
  const manifest = { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: { type: 'LoadBalancer' } };
  return { kind: 'apply', ref: { kind: 'Service', namespace: 'default', name }, manifest, ...(uid !== undefined && { uid }) };
}

const deletion: Action = {
  kind: 'delete',
  ref: { kind: 'Service', namespace: 'default', name: 'old' },
  apiVersion: 'v1',
  uid: 'uid-of-old',
};

function fail(code: ApiErrorCode, message = code as string, retryAfterMs?: number): Answer {
  return () => {
    throw new ApiError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
  };
}

/** A request that is answered when it is aborted, as a client does. */
function untilAborted({ signal }: ApiRequest): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
}

describe('requests of actions', () => {
  const cases: readonly [string, Action, Partial<ApiRequest>][] = [
    [
      'an object of ours is applied with its uid',
      service('web', 'u1'),
      {
        method: 'PATCH',
        path: '/api/v1/namespaces/default/services/web',
        query: { fieldManager: 'sluice', force: 'true' },
        contentType: 'application/apply-patch+yaml',
        body: { ...(service('web') as { manifest: object }).manifest, metadata: { name: 'web', namespace: 'default', uid: 'u1' } },
      },
    ],
    [
      'an object that is not there is created, or nothing is done',
      service('web'),
      {
        body: {
          ...(service('web') as { manifest: object }).manifest,
          metadata: { name: 'web', namespace: 'default', resourceVersion: '1' },
        },
      },
    ],
    [
      'a status goes to its own path',
      status('web', '192.0.2.1'),
      { path: '/apis/networking.k8s.io/v1/namespaces/default/ingresses/web/status' },
    ],
    [
      'a deletion names the object that it means',
      deletion,
      {
        method: 'DELETE',
        path: '/api/v1/namespaces/default/services/old',
        body: { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background', preconditions: { uid: 'uid-of-old' } },
      },
    ],
  ];
  for (const [name, action, expected] of cases) {
    test(name, async () => {
      const { writer, requests, leadership, clock } = scene();
      writer.resume(leadership);
      writer.update([['k', action]]);
      await clock.pass(0);
      assert.equal(requests.length, 1);
      assert.deepEqual({ ...requests[0], ...expected }, requests[0]);
    });
  }
});

describe('ActionWriter', () => {
  test('writes nothing until it leads, and nothing after', async () => {
    const { writer, requests, leadership, abort, clock } = scene();
    writer.update([['a', status('a', '192.0.2.1')]]);
    await clock.pass(60_000);
    assert.equal(requests.length, 0);
    writer.resume(leadership);
    await clock.pass(0);
    assert.equal(requests.length, 1);
    abort.abort();
    writer.update([['b', status('b', '192.0.2.1')]]);
    await clock.pass(60_000);
    assert.equal(requests.length, 1);
    assert.equal(writer.state().isActive, false);
  });

  test('asks the clock of leadership before each write, whatever its signal says', async () => {
    const { writer, requests, leadership, overtake, clock } = scene();
    writer.resume(leadership);
    overtake();
    writer.update([['a', status('a', '192.0.2.1')]]);
    await clock.pass(60_000);
    assert.equal(requests.length, 0);
  });

  test('aborts what is under way when leadership ends, and does it again with the next', async () => {
    const { writer, requests, leadership, abort, clock } = scene(untilAborted);
    writer.resume(leadership);
    writer.update([['a', status('a', '192.0.2.1')]]);
    await clock.pass(0);
    assert.equal(requests[0]?.signal?.aborted, false);
    abort.abort();
    await clock.pass(0);
    assert.equal(requests[0]?.signal?.aborted, true);
    assert.deepEqual([writer.state().underWay, writer.state().failing], [0, []]);
    writer.resume({ signal: new AbortController().signal, isHeld: () => true });
    await clock.pass(0);
    assert.equal(requests.length, 2);
  });

  test('waits for the watch to show what it wrote, and writes again when that takes too long', async () => {
    const { writer, requests, leadership, clock } = scene();
    writer.resume(leadership);
    writer.update([['a', status('a', '192.0.2.1')]]);
    await clock.pass(4_999);
    assert.equal(requests.length, 1);
    await clock.pass(1);
    assert.equal(requests.length, 2);
    const idle = writer.idle();
    writer.update([['a', undefined]]);
    await idle;
    await clock.pass(60_000);
    assert.equal(requests.length, 2);
  });

  test('writes the newest action of a key, one after the other', async () => {
    const first = Promise.withResolvers<unknown>();
    const answers = [first.promise];
    const { writer, requests, leadership, clock } = scene(() => answers.shift() ?? {});
    writer.resume(leadership);
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) writer.update([['a', status('a', address)]]);
    await clock.pass(0);
    assert.equal(requests.length, 1);
    first.resolve({});
    await clock.pass(0);
    assert.deepEqual(
      requests.map(({ body }) => body),
      ['192.0.2.1', '192.0.2.3'].map((address) => bodyOf(address)),
    );
  });

  test('an equal action is no new one', async () => {
    const { writer, requests, leadership, clock } = scene();
    writer.resume(leadership);
    for (let times = 0; times < 3; times += 1) {
      writer.update([['a', status('a', '192.0.2.1')]]);
      await clock.pass(10);
    }
    assert.equal(requests.length, 1);
  });

  test('a failure delays its own action only, ever longer', async () => {
    const { writer, requests, leadership, clock } = scene(({ path }) => (path.includes('/bad/') ? fail('server-error')({ path }) : {}));
    writer.resume(leadership);
    writer.update([
      ['bad', status('bad', '192.0.2.1')],
      ['good', status('good', '192.0.2.1')],
    ]);
    const bad = () => requests.filter(({ path }) => path.includes('/bad/')).length;
    const counts: number[] = [];
    for (const pause of [0, 249, 1, 499, 1, 999, 1]) {
      await clock.pass(pause);
      counts.push(bad());
    }
    assert.deepEqual(counts, [1, 1, 2, 2, 3, 3, 4]);
    assert.deepEqual(
      writer.state().failing.map(({ key, attempts }) => [key, attempts]),
      [['bad', 4]],
    );
    await clock.pass(3_600_000);
    assert.ok(bad() < 300, `${bad()} attempts in an hour`);
    assert.ok(bad() > 100);
  });

  test('leaves an API server alone that asks for it', async () => {
    let isBusy = true;
    const { writer, requests, leadership, clock } = scene((request) => (isBusy ? fail('too-many-requests', 'busy', 7_000)(request) : {}), {
      concurrency: 1,
    });
    writer.resume(leadership);
    writer.update(Array.from({ length: 20 }, (_, i) => [`${i}`, status(`i${i}`, '192.0.2.1')]));
    await clock.pass(6_999);
    assert.equal(requests.length, 1);
    isBusy = false;
    await clock.pass(1);
    assert.equal(requests.length, 20);
  });

  test('keeps to the rate', async () => {
    const { writer, requests, leadership, clock } = scene(undefined, { visibleWithinMs: 1e9 });
    writer.resume(leadership);
    writer.update(Array.from({ length: 400 }, (_, i) => [`${i}`, status(`i${i}`, '192.0.2.1')]));
    await clock.pass(0);
    assert.equal(requests.length, 100);
    await clock.pass(1_000);
    assert.equal(requests.length, 150);
    await clock.pass(60_000);
    assert.equal(requests.length, 400);
  });

  test('somebody who undoes what is written does not set the pace', async () => {
    const { writer, requests, leadership, clock } = scene();
    writer.resume(leadership);
    for (let undone = 0; undone < 1_000; undone += 1) {
      writer.update([['a', status('a', '192.0.2.1')]]);
      await clock.pass(10);
      writer.update([['a', undefined]]);
    }
    assert.ok(requests.length >= 4 && requests.length < 12, `${requests.length} writes in 10 s`);
  });

  test('a write waits behind its gate without being in the way of others', async () => {
    const gate = Promise.withResolvers<void>();
    const { writer, requests, leadership, clock } = scene(undefined, {
      concurrency: 1,
      before: ({ ref }) => (ref.name === 'held' ? gate.promise : undefined),
    });
    writer.resume(leadership);
    writer.update([
      ['held', status('held', '192.0.2.1')],
      ['free', status('free', '192.0.2.1')],
    ]);
    await clock.pass(1_000);
    assert.deepEqual(
      requests.map(({ path }) => path.split('/').at(-2)),
      ['free'],
    );
    gate.resolve();
    await clock.pass(0);
    assert.deepEqual(
      requests.map(({ path }) => path.split('/').at(-2)),
      ['free', 'held'],
    );
  });

  const failures: readonly [string, Action, Answer, string | undefined][] = [
    ['a deletion of what is gone is done', deletion, fail('not-found'), undefined],
    ['another object of the name is left to the next judgement', deletion, fail('conflict'), undefined],
    ['so is one that is there already', service('web'), fail('conflict'), undefined],
    ['and one with another uid', service('web', 'u'), fail('invalid', 'metadata.uid: Invalid value: field is immutable'), undefined],
    ['what is forbidden is told', service('web'), fail('forbidden', 'no rights'), 'writing it fails: no rights'],
    ['what is invalid is told', status('web', 'x'), fail('invalid', 'not an address'), 'writing its status fails: not an address'],
    ['an outage is not the fault of an object', service('web'), fail('unreachable'), undefined],
  ];
  for (const [name, action, answer, expected] of failures) {
    test(name, async () => {
      let told = 0;
      const { writer, leadership, clock, requests } = scene(answer, { onDiagnostics: () => (told += 1) });
      writer.resume(leadership);
      writer.update([['k', action]]);
      await clock.pass(0);
      assert.equal(requests.length, 1);
      const expectedDiagnostics =
        expected === undefined ? [] : [{ severity: 'error', code: 'WriteRefused', message: expected, path: [], object: action.ref }];
      assert.deepEqual(writer.diagnostics(), expectedDiagnostics);
      assert.equal(told, expectedDiagnostics.length);
      writer.update([['k', undefined]]);
      assert.deepEqual([writer.diagnostics(), told], [[], 2 * expectedDiagnostics.length]);
    });
  }

  test('says nothing of what the API server says about a Secret', async () => {
    const ref = { kind: 'Secret', namespace: 'sluice-system', name: 'sluice-ca' };
    const manifest = { apiVersion: 'v1', kind: 'Secret', metadata: { name: ref.name, namespace: ref.namespace } };
    const { writer, leadership, clock } = scene(fail('invalid', 'Invalid value: "hunter2"'));
    writer.resume(leadership);
    writer.update([['ca', { kind: 'apply', ref, manifest }]]);
    await clock.pass(0);
    assert.equal(writer.diagnostics().length, 1);
    assert.doesNotMatch(JSON.stringify([writer.diagnostics(), writer.state().failing.map(({ reason }) => reason)]), /hunter2/);
  });
});

function bodyOf(address: string): unknown {
  const action = status('a', address);
  return { ...(action.kind === 'status' && action.manifest), metadata: { name: 'a', namespace: 'default', uid: 'uid-of-a' } };
}

/** A cluster of statuses whose watch tells the writer, late, what is different from what is wanted. */
class StatusWorld {
  readonly wanted = new Map<string, string>();
  readonly actual = new Map<string, string>();
  readonly writing = new Set<string>();
  readonly violations: string[] = [];
  readonly #random: Random;
  requests = 0;
  isFailing = true;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  async request({ path, body, signal }: ApiRequest): Promise<unknown> {
    const name = path.split('/').at(-2) ?? '';
    this.requests += 1;
    if (this.writing.has(name)) this.violations.push(`two writes to ${name}`);
    this.writing.add(name);
    if (this.writing.size > 8) this.violations.push(`${this.writing.size} writes at once`);
    for (let turns = this.#random.below(4); turns > 0; turns -= 1) await setImmediate();
    this.writing.delete(name);
    signal?.throwIfAborted();
    const isWritten = !this.isFailing || this.#random.chance(0.6);
    // An answer may be lost after the write.
    if (isWritten || this.#random.chance(0.5)) this.actual.set(name, JSON.stringify(body).match(/192\.0\.2\.\d+/)?.[0] ?? '');
    if (isWritten) return {};
    throw new ApiError(this.#random.pick(['unreachable', 'server-error', 'conflict', 'too-many-requests', 'forbidden', 'invalid']), 'no');
  }

  differences(): [string, Action | undefined][] {
    return Array.from(this.wanted, ([name, address]) => [name, this.actual.get(name) === address ? undefined : status(name, address)]);
  }
}

test('whatever fails and in whatever order, everything is written at last as it is wanted', async (t) => {
  let writes = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 30 }), async (seed, size) => {
      const random = new Random(seed);
      const world = new StatusWorld(seed);
      const { writer, clock } = scene((request) => world.request(request), { random: () => random.next() });
      for (let step = 0; step < 40; step += 1) {
        for (let edits = random.below(size); edits > 0; edits -= 1)
          world.wanted.set(`i${random.below(size)}`, `192.0.2.${random.below(3)}`);
        if (random.chance(0.1)) writer.pause();
        if (random.chance(0.2) || step === 0) writer.resume({ signal: new AbortController().signal, isHeld: () => true });
        if (random.chance(0.7)) writer.update(world.differences());
        await clock.pass(random.below(3_000));
      }
      world.isFailing = false;
      writer.resume({ signal: new AbortController().signal, isHeld: () => true });
      for (let round = 0; round < 60; round += 1) {
        writer.update(world.differences());
        await clock.pass(5_000);
      }
      writer.update(world.differences());
      await writer.idle();
      assert.deepEqual([world.actual, world.violations], [world.wanted, []]);
      writes += world.requests;
    }),
    { numRuns: 30 },
  );
  assert.ok(writes > 1_000, `${writes} writes`);
  t.diagnostic(`${writes} writes`);
});
