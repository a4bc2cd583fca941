import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { ClusterWorld } from '../../testkit/cluster-world.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest } from '../../testkit/manifest-objects.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';

enterOwnNetwork();

/**
 * Longer than a lease and a request's timeout; what takes longer is in docs/decisions/outages.md. SLUICE_AWAY_MS=600000 is ten minutes, in
 * which pauses between attempts become as long as they can be.
 */
const AWAY_MS = Number(process.env['SLUICE_AWAY_MS'] ?? 35_000);

describe('an API server that comes and goes', needs('cluster', 'envoy', 'root'), () => {
  let world: ClusterWorld;
  let port = 0;
  before(async () => {
    world = await ClusterWorld.start();
    await world.addBackend('one');
    port = await world.addIngress('web', 'one');
  });
  after(() => world[Symbol.asyncDispose]());

  test('is away for a while: nothing fails, and changes go on when it is back', async (t) => {
    const { plane } = world.cluster;
    const load = world.load(world.target('web', port, 'one'));
    await Promise.all([plane.kill('kube-apiserver'), plane.kill('etcd')]);
    await sleep(AWAY_MS);
    for (const controller of world.controllers) {
      assert.doesNotMatch(controller.command.stderr, /NoNodes/, 'missing nodes were told when there could be none yet');
      const { ready, cluster } = await controller.status();
      assert.equal(ready, true, 'a replica stopped serving');
      assert.equal(cluster?.isLeader, false, 'a replica leads without a lease');
    }
    plane.start('etcd');
    plane.start('kube-apiserver');
    await plane.ready();
    const startedAt = performance.now();
    const late = world.addIngress('late', 'one');
    await late.catch(async () => await world.addIngress('late', 'one'));
    const backMs = Math.round(performance.now() - startedAt);
    await load.stop();
    t.diagnostic(`${load.sent} requests; the first change after ${backMs} ms`);
    assert.equal(load.failed, 0, load.failures.join('\n'));
    assert.ok(load.sent > 2_000, `only ${load.sent} requests`);
  });

  test('is away while all controllers start again: nodes hold, and one leads when it is back', async (t) => {
    const { plane } = world.cluster;
    await world.leader();
    const load = world.load(world.target('web', port, 'one'));
    await plane.kill('kube-apiserver');
    for (const controller of world.controllers) await controller.end();
    for (const controller of world.controllers) controller.startAgain();
    for (const controller of world.controllers) {
      await eventually(async () => assert.match((await controller.status()).notReady ?? '', /is not read yet/));
    }
    const sentBefore = load.sent;
    await eventually(() => assert.ok(load.sent > sentBefore + 500), { withinMs: 30_000 });
    assert.equal((await world.agent.status()).ready, true);
    plane.start('kube-apiserver');
    await plane.ready();
    for (const controller of world.controllers) await controller.untilReady();
    await world.leader(60_000);
    await world.addIngress('by-the-next', 'one');
    await load.stop();
    t.diagnostic(`${load.sent} requests`);
    assert.equal(load.failed, 0, load.failures.join('\n'));
  });

  test('is restored to an older revision: what is there now counts, and what is in both is served throughout', async (t) => {
    const { plane } = world.cluster;
    const snapshot = await plane.snapshot();
    await world.leader();
    const load = world.load(world.target('web', port, 'one'));
    const newPort = await world.addIngress('too-new', 'one');
    await plane.restore(snapshot);
    await eventually(async () => assert.rejects(world.ask('too-new', newPort)), { withinMs: 60_000 });
    await world.leader();
    await world.apply(ingressManifest('after-restore', { rules: { 'after-restore.test': 'one' } }));
    const nextPort = await eventually(() => world.portOf('after-restore'), { withinMs: 40_000 });
    await world.untilAnsweredBy('after-restore', 'one', nextPort);
    await load.stop();
    t.diagnostic(`${load.sent} requests`);
    assert.equal(load.failed, 0, load.failures.join('\n'));
    assert.ok(load.sent > 100, `only ${load.sent} requests`);
  });
});
