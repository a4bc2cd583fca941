import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { z } from 'zod';
import { ManualClock } from '../../testkit/manual-clock.ts';
import type { ApiRequest } from '../api-server/api-client.ts';
import { ApiError } from '../api-server/api-error.ts';
import { Random } from '../fuzz/random.ts';
import { LeaderElection, type LeaderElectionOptions } from './leader-election.ts';
import type { Leadership } from './leadership.ts';

const lease = z.object({ metadata: z.object({ resourceVersion: z.string().optional() }), spec: z.looseObject({}) });

/** One Lease, as an API server keeps it. */
class LeaseServer {
  stored: { readonly metadata: object; readonly spec: Record<string, unknown> } | undefined;
  version = 10;
  /** May throw, wait, or let time pass, before (`false`) and after (`true`) a request is carried out. */
  trouble: (isDone: boolean) => void | Promise<void> = () => {};

  async request(request: ApiRequest): Promise<unknown> {
    await this.trouble(false);
    const answer = this.#carryOut(request);
    await this.trouble(true);
    request.signal?.throwIfAborted();
    return answer;
  }

  #carryOut({ method = 'GET', body }: ApiRequest): unknown {
    if (method === 'POST' && this.stored) throw new ApiError('already-exists', 'it exists');
    if (method !== 'POST' && !this.stored) throw new ApiError('not-found', 'there is none');
    if (method === 'GET') return this.stored;
    const { metadata, spec } = lease.parse(body);
    if (method === 'PUT' && metadata.resourceVersion !== String(this.version)) throw new ApiError('conflict', 'it has changed');
    this.version += 1;
    this.stored = { metadata: { resourceVersion: String(this.version) }, spec };
    return this.stored;
  }
}

function scene() {
  const clock = new ManualClock();
  const server = new LeaseServer();
  const terms: Leadership[] = [];
  const elector = (identity: string, options: Partial<LeaderElectionOptions> = {}) =>
    new LeaderElection({
      client: server,
      namespace: 'sluice-system',
      name: 'sluice-controller',
      identity,
      clock,
      wallClock: () => new Date(clock.now()),
      random: () => 0,
      onStartedLeading: (leadership) => terms.push(leadership),
      ...options,
    });
  return { clock, server, terms, elector };
}

describe('LeaderElection', () => {
  test('the first leads, writes who it is and since when, and renews', async () => {
    const { clock, server, elector } = scene();
    const a = elector('a');
    a.start();
    await clock.pass(60_000);
    assert.equal(a.isLeading, true);
    assert.deepEqual(server.stored?.spec, {
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '1970-01-01T00:00:00.000000Z',
      renewTime: '1970-01-01T00:01:00.000000Z',
      leaseTransitions: 0,
    });
    await a.stop();
  });

  test('another takes over when the lease has not changed for its duration, by its own clock', async () => {
    const { clock, server, elector } = scene();
    const lost = { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: '1970-01-01T00:00:00.000000Z', leaseTransitions: 4 };
    server.stored = { metadata: { resourceVersion: String(server.version) }, spec: lost };
    const b = elector('b', { wallClock: () => new Date(clock.now() + 86_400_000) });
    b.start();
    await clock.pass(14_999);
    assert.deepEqual([b.isLeading, b.leader], [false, 'gone']);
    await clock.pass(2_001);
    assert.deepEqual([b.isLeading, b.leader, server.stored?.spec['leaseTransitions']], [true, 'b', 5]);
    await b.stop();
  });

  test('a leader that cannot renew stops before another can begin', async () => {
    const { clock, server, terms, elector } = scene();
    const a = elector('a');
    a.start();
    await clock.pass(1_000);
    server.trouble = () => {
      throw new ApiError('unreachable', 'nobody answers');
    };
    await clock.pass(8_999);
    assert.deepEqual([terms.length, terms[0]?.isHeld(), terms[0]?.signal.aborted], [1, true, false]);
    await clock.pass(1);
    assert.deepEqual([terms[0]?.isHeld(), terms[0]?.signal.aborted], [false, true]);
    server.trouble = () => {};
    await clock.pass(10_000);
    assert.deepEqual([a.isLeading, terms.length], [true, 2]);
    await a.stop();
  });

  test('gives the lease back when it is stopped, after its holder has stopped', async () => {
    const { clock, server, elector } = scene();
    const stopping = Promise.withResolvers<void>();
    const a = elector('a', { onStoppedLeading: () => stopping.promise });
    a.start();
    await clock.pass(0);
    const stopped = a.stop();
    await setImmediate();
    assert.equal(server.stored?.spec['holderIdentity'], 'a');
    stopping.resolve();
    await stopped;
    assert.equal(server.stored?.spec['holderIdentity'], '');
    const b = elector('b');
    b.start();
    await clock.pass(0);
    assert.deepEqual([b.isLeading, server.stored?.spec['leaseTransitions']], [true, 1]);
    await b.stop();
  });

  test('renews a lease that somebody else has touched', async () => {
    const { clock, server, terms, elector } = scene();
    const a = elector('a');
    a.start();
    await clock.pass(0);
    server.version += 1;
    server.stored = { metadata: { resourceVersion: String(server.version) }, spec: server.stored?.spec ?? {} };
    await clock.pass(30_000);
    assert.deepEqual([a.isLeading, terms.length], [true, 1]);
    await a.stop();
  });

  const restored: readonly [string, string | undefined][] = [
    ['is gone', undefined],
    ['names nobody', ''],
    ['names this process', 'b'],
  ];
  for (const [name, holderIdentity] of restored) {
    test(`a lease that after a restoration ${name} is nobody's at once`, async () => {
      const { clock, server, elector } = scene();
      server.stored = { metadata: { resourceVersion: '10' }, spec: { holderIdentity: 'a', leaseDurationSeconds: 15 } };
      const b = elector('b');
      b.start();
      await clock.pass(1_000);
      server.version = 9;
      server.stored = holderIdentity === undefined ? undefined : { metadata: { resourceVersion: '9' }, spec: { holderIdentity } };
      await clock.pass(14_000);
      assert.equal(b.isLeading, false);
      await clock.pass(10_000);
      assert.equal(b.isLeading, true);
      await b.stop();
    });
  }

  test('never do two lead, whatever fails, hangs or is stopped', async (t) => {
    let begun = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const random = new Random(seed);
        const { clock, server, terms, elector } = scene();
        server.trouble = async () => {
          for (let turns = random.below(3); turns > 0; turns -= 1) await setImmediate();
          // Time passes while an answer is on its way, or a process is stopped.
          if (random.chance(0.1)) {
            const { promise, resolve } = Promise.withResolvers<void>();
            clock.after(random.below(25_000), resolve);
            await promise;
          }
          if (random.chance(0.2)) throw new ApiError(random.pick(['unreachable', 'server-error', 'too-many-requests']), 'no');
        };
        const electors = ['a', 'b', 'c'].map((identity) => elector(identity, { random: () => random.next() }));
        for (const one of electors) one.start();
        for (let step = 0; step < 400; step += 1) {
          await clock.pass(random.below(1_000));
          const held = terms.filter((term) => term.isHeld());
          assert.ok(held.length <= 1, `${held.length} lead`);
        }
        begun += terms.length;
        server.trouble = () => {};
        await clock.pass(60_000);
        assert.equal(terms.filter((term) => term.isHeld()).length, 1);
        await Promise.all(electors.map((one) => one.stop()));
      }),
      { numRuns: 20 },
    );
    assert.ok(begun > 40, `${begun} terms`);
    t.diagnostic(`${begun} terms`);
  });
});
