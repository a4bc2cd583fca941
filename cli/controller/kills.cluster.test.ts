import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { ClusterWorld } from '../../testkit/cluster-world.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';

enterOwnNetwork();

const LASTS_MS = 60_000;
const BETWEEN_MS = 2_000;
const MIN_KILLS = 12;
const MIN_SENT = 3_000;
/** Requests that were under way are over then. */
const AFTERMATH_MS = 400;

test('whatever is killed, nothing fails but what Envoy was at', needs('cluster', 'envoy', 'root'), async (t) => {
  await using world = await ClusterWorld.start();
  const { plane } = world.cluster;
  await world.addBackend('one');
  const port = await world.addIngress('web', 'one');
  const load = world.load(world.target('web', port, 'one'));
  const away: number[] = [];
  let [kills, failedWithEnvoy, turn] = [0, 0, 0];
  const [first, second] = world.controllers;
  assert.ok(first && second);

  const killEnvoy = async () => {
    const failedBefore = load.failed;
    const pid = await world.envoyPid();
    process.kill(pid, 'SIGKILL');
    const killedAt = performance.now();
    await eventually(async () => assert.equal((await world.ask('web', port)).backend, 'one'));
    away.push(Math.round(performance.now() - killedAt));
    await sleep(AFTERMATH_MS);
    failedWithEnvoy += load.failed - failedBefore;
  };
  const restart = async (process: typeof first) => {
    await process.end();
    process.startAgain();
  };
  const killers = [
    () => restart(first),
    () => restart(second),
    () => restart(world.agent),
    async () => {
      await plane.kill('kube-apiserver');
      plane.start('kube-apiserver');
    },
    async () => {
      await plane.kill('etcd');
      plane.start('etcd');
    },
    killEnvoy,
  ];
  const end = performance.now() + LASTS_MS;
  while (performance.now() < end) {
    await killers[turn % killers.length]?.();
    turn += 1;
    kills += 1;
    await sleep(BETWEEN_MS);
  }
  await load.stop();
  t.diagnostic(`${kills} kills, ${load.sent} requests; Envoy away for ${away.join(', ')} ms, which failed ${failedWithEnvoy}`);
  assert.equal(load.failed - failedWithEnvoy, 0, load.failures.join('\n'));
  assert.ok(kills >= MIN_KILLS, `only ${kills} kills`);
  assert.ok(load.sent >= MIN_SENT, `only ${load.sent} requests`);
  assert.ok(away.length >= 2 && Math.max(...away) < 1_000, `Envoy was away for ${away.join(', ')} ms`);

  // What is left of all that can be changed as ever.
  await plane.ready();
  await world.leader();
  await world.addBackend('two');
  await world.addIngress('late', 'two');
});
