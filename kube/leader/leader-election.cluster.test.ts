import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

const ELECTOR = fileURLToPath(new URL('../../testkit/elector.ts', import.meta.url));

interface Line {
  readonly at: bigint;
  readonly identity: string;
  readonly term: string;
}

describe('leader election at a real API server', needs('cluster'), () => {
  const folder = new TemporaryFolder();
  const log = folder.join('log');
  const electors = new Map<string, ChildProcess>();
  let plane: ControlPlane;
  before(async () => {
    writeFileSync(log, '');
    plane = await ControlPlane.start();
  });
  after(async () => {
    for (const elector of electors.values()) elector.kill('SIGKILL');
    await plane[Symbol.asyncDispose]();
    folder.dispose();
  });

  /** A clock that is an hour off would let it take the lease at once, or never, if times in the Lease decided anything. */
  const start = (identity: string, offsetMs = 0) => {
    const args = [ELECTOR, plane.kubeconfig, log, identity, String(offsetMs)];
    electors.set(identity, spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] }));
  };
  const end = async (identity: string, signal: NodeJS.Signals) => {
    const elector = electors.get(identity);
    assert.ok(elector);
    const ended = once(elector, 'exit');
    elector.kill(signal);
    await ended;
    electors.delete(identity);
  };
  const lines = (): Line[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const [at = '', identity = '', term = ''] = line.split(' ');
        return { at: BigInt(at), identity, term };
      })
      .sort((a, b) => Number(a.at - b.at));
  /** Waits until somebody writes now, other than those. */
  const leaderOtherThan = async (...others: readonly string[]) => {
    const since = process.hrtime.bigint();
    return await eventually(() => {
      const last = lines().at(-1);
      assert.ok(last && last.at > since && !others.includes(last.identity), `last: ${last?.identity}`);
      return last;
    });
  };
  const terms = () => {
    const all = lines().map(({ identity, term }) => `${identity}/${term}`);
    return all.filter((term, index) => term !== all[index - 1]);
  };

  test('exactly one leads whatever happens to leaders, and whatever their clocks say', async (t) => {
    start('a', -3_600_000);
    assert.equal((await leaderOtherThan()).identity, 'a');
    start('b', 3_600_000);
    start('c');

    electors.get('a')?.kill('SIGSTOP');
    const second = await leaderOtherThan('a');
    electors.get('a')?.kill('SIGCONT');

    await end(second.identity, 'SIGKILL');
    const third = await leaderOtherThan(second.identity);
    start(second.identity, 3_600_000);

    await plane.kill('kube-apiserver');
    await eventually(() => {
      const last = lines().at(-1);
      assert.ok(last && process.hrtime.bigint() - last.at > 1_000_000_000n, `${third.identity} stops`);
    });
    plane.start('kube-apiserver');
    await plane.ready();
    const fourth = await leaderOtherThan();

    const asked = process.hrtime.bigint();
    await end(fourth.identity, 'SIGTERM');
    const fifth = await leaderOtherThan(fourth.identity);
    t.diagnostic(`graceful hand-over within ${(fifth.at - asked) / 1_000_000n} ms`);

    const order = terms();
    t.diagnostic(`${lines().length} writes, terms: ${order.join(' ')}`);
    assert.deepEqual(order, [...new Set(order)], 'no term goes on after another has begun');
    assert.ok(order.length >= 5 && lines().length > 500);
    const { spec } = JSON.parse((await plane.request('/apis/coordination.k8s.io/v1/namespaces/default/leases/elected')).body);
    assert.equal(spec.holderIdentity, fifth.identity);
    assert.ok(spec.leaseTransitions >= 3);
  });

  test('an etcd that was restored does not make two leaders', async () => {
    const now = await leaderOtherThan();
    const snapshot = await plane.snapshot();
    const before = await leaderOtherThan();
    await end(before.identity, 'SIGTERM');
    await leaderOtherThan(before.identity);
    start(before.identity);
    await plane.restore(snapshot);
    await leaderOtherThan();
    const order = terms();
    assert.deepEqual(order, [...new Set(order)], `no term goes on after another has begun (${now.identity})`);
  });
});
