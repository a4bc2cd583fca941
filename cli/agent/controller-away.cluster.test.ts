import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { ClusterWorld } from '../../testkit/cluster-world.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import type { ClusterProcess } from '../../testkit/plain-cluster.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

enterOwnNetwork();

const HOUR_MS = 3_600_000;
/** Two thirds of the life of a certificate of a day, which began an hour before it was given. */
const DUE_AFTER_MS = 17 * HOUR_MS;
/** Less than what it waits for a type that nobody tells it of, 15 s. */
const ENVOY_IS_BACK_MS = 10_000;
const MAX_CHANGES = 20;

describe('a node whose controllers are away', needs('cluster', 'envoy', 'root'), () => {
  let world: ClusterWorld;
  let port = 0;
  before(async () => {
    world = await ClusterWorld.start({ controllers: 1 });
    await world.addBackend('one');
    port = await world.addIngress('web', 'one');
  });
  after(() => world[Symbol.asyncDispose]());

  const controller = () => {
    const [first] = world.controllers;
    assert.ok(first);
    return first;
  };

  test('tells of the Services that its Envoy asks, and the controller of the node', async () => {
    const metricsOf = async ({ adminPort }: ClusterProcess) => await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
    await world.untilAnsweredBy('web', 'one', port);
    await eventually(async () => {
      const ofNode = await metricsOf(world.agent);
      assert.match(ofNode, /^sluice_service_requests_total\{namespace="[a-z-]+",service="one",port="\d+",code="2xx"\} [1-9]/m);
      assert.match(ofNode, /^sluice_service_request_duration_seconds_count\{namespace="[a-z-]+",service="one",/m);
      assert.match(ofNode, /^sluice_snapshot_bytes\{type="cluster"\} [1-9]/m);
      const ofController = await metricsOf(controller());
      assert.match(ofController, /^sluice_xds_clients 1$/m);
      assert.match(ofController, /^sluice_propagation_seconds_count\{for="envoys"\} [1-9]/m);
    });
  });

  test('serves the last good configuration, whatever of it is started again', async (t) => {
    await controller().end();
    const load = world.load(world.target('web', port, 'one'));
    await world.agent.end();
    world.agent.startAgain();
    await world.agent.untilReady();
    await eventually(() => assert.ok(load.sent > 200));
    await load.stop();
    assert.equal(load.failed, 0, load.failures.join('\n'));

    const startedAt = performance.now();
    await world.killEnvoy();
    await world.untilAnsweredBy('web', 'one', port);
    const envoyMs = Math.round(performance.now() - startedAt);
    assert.ok(envoyMs < ENVOY_IS_BACK_MS, `Envoy took ${envoyMs} ms`);

    const pid = await world.envoyPid();
    await world.agent.end();
    process.kill(pid, 'SIGKILL');
    world.agent.startAgain();
    await world.agent.untilReady();
    await world.untilAnsweredBy('web', 'one', port);
    t.diagnostic(`agent restarted under ${load.sent} requests, Envoy back after ${envoyMs} ms, and both at once`);

    controller().startAgain();
    await controller().untilReady();
    await world.addIngress('when-back', 'one');
  });

  test('is not emptied by a controller that has read nothing yet', async (t) => {
    const { plane } = world.cluster;
    const load = world.load(world.target('web', port, 'one'));
    await controller().end();
    await plane.kill('kube-apiserver');
    controller().startAgain();
    await eventually(async () => assert.equal((await controller().status()).ready, false));
    const listeners = (await world.agent.status()).resources['listener'];
    await eventually(() => assert.ok(load.sent > 500), { withinMs: 30_000 });
    assert.equal((await world.agent.status()).resources['listener'], listeners);
    plane.start('kube-apiserver');
    await plane.ready();
    await controller().untilReady();
    await world.addIngress('read-again', 'one');
    await load.stop();
    t.diagnostic(`${load.sent} requests`);
    assert.equal(load.failed, 0, load.failures.join('\n'));
  });

  test('is what its certificate says, not what it calls itself', async () => {
    const agent = await world.cluster.startAgent('node-2', world.forwarder.port, { callsItself: 'node-1' });
    await agent.untilReady();
    await eventually(async () => {
      const nodes = (await controller().status()).clients.map(({ node }) => node);
      assert.deepEqual(nodes.toSorted(), ['node-1', 'node-2']);
    });
    await agent[Symbol.asyncDispose]();
  });

  test('serves with a clock that is an hour ahead or behind', async (t) => {
    using folder = new TemporaryFolder();
    for (const [name, offset] of Object.entries({ ahead: HOUR_MS, behind: -HOUR_MS })) {
      const preload = folder.join(`${name}.mjs`);
      writeFileSync(preload, shiftedClock(offset));
      const env = { NODE_OPTIONS: `--import=${preload}` };
      const agent = await world.cluster.startAgent(`node-${name}`, world.forwarder.port, { env });
      await agent.untilReady();
      const relay = await eventually(async () => {
        const status = await agent.status();
        assert.ok(status.relay?.controller, `${name}: ${status.relay?.error}`);
        return status.relay;
      });
      t.diagnostic(`${name}: has a certificate until ${relay.certificateUntil}`);
      await agent[Symbol.asyncDispose]();
    }
  });

  test('whose certificate is due while all are away serves on, and has a new one when they are back', async (t) => {
    using folder = new TemporaryFolder();
    const { plane } = world.cluster;
    const [preload, ahead] = [folder.join('clock.mjs'), folder.join('ahead')];
    writeFileSync(preload, shiftedClock(`Number(process.getBuiltinModule('node:fs').readFileSync(${JSON.stringify(ahead)}, 'utf8'))`));
    writeFileSync(ahead, '0');
    const env = { NODE_OPTIONS: `--import=${preload}` };
    const agent = await world.cluster.startAgent('node-late', world.forwarder.port, { env });
    await agent.untilReady();
    const first = await eventually(() => certificateOf(agent));
    await agent.end();
    await controller().end();
    await plane.kill('kube-apiserver');
    writeFileSync(ahead, String(DUE_AFTER_MS));
    agent.startAgain();
    await agent.untilReady();
    await agent.command.untilSaid(/no certificate yet/);
    plane.start('kube-apiserver');
    await plane.ready();
    controller().startAgain();
    await controller().untilReady();
    const next = await eventually(
      async () => {
        const until = await certificateOf(agent);
        assert.ok(until > first, 'it has the former one');
        return until;
      },
      { withinMs: 90_000 },
    );
    t.diagnostic(`good until ${new Date(first).toISOString()}, then ${new Date(next).toISOString()}`);
    await agent[Symbol.asyncDispose]();
  });

  test('serves on with a full disk, says so, and recovers', async (t) => {
    using folder = new TemporaryFolder();
    const state = world.cluster.stateFolder('node-3');
    mkdirSync(state, { recursive: true, mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'none', state]);
    try {
      const agent = await world.cluster.startAgent('node-3', world.forwarder.port);
      await agent.untilReady();
      const ballast = join(state, 'ballast');
      fill(ballast);
      let changes = 0;
      // The last page of a file has room for some.
      for (; !/cannot be stored/.test(agent.command.stderr); changes += 1) {
        assert.ok(changes < MAX_CHANGES, 'the disk is full, and nothing is said of it');
        await world.addIngress(`on-full-disk-${changes}`, 'one');
      }
      await eventually(async () => assert.ok((await agent.snapshot()).includes(`on-full-disk-${changes - 1}`)));
      assert.equal((await agent.status()).ready, true);
      assert.ok(existsSync(ballast));
      rmSync(ballast);
      await agent.command.untilSaid(/everything is stored again/);
      t.diagnostic(`served on with ${changes} changes, and stored everything when there was room`);
      await agent[Symbol.asyncDispose]();
    } finally {
      folder.dispose();
      execFileSync('umount', ['--lazy', state]);
    }
  });
});

/** Until when the certificate of a node is good that is connected, in milliseconds since 1970. */
async function certificateOf(agent: ClusterProcess): Promise<number> {
  const { relay } = await agent.status();
  assert.ok(relay?.controller && relay.certificateUntil, relay?.error);
  return Date.parse(relay.certificateUntil);
}

/** Moves what a process takes for the time of day. @param offset milliseconds, or what evaluates to them when it starts */
function shiftedClock(offset: number | string): string {
  return `
const { now } = Date;
const offset = ${offset};
Date.now = () => now() + offset;
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now() + offset] : args, newTarget),
});
`;
}

/** Writes until there is no room. */
function fill(path: string): void {
  assert.throws(() => writeFileSync(path, Buffer.alloc(64 * 1_024 * 1_024)), { code: 'ENOSPC' });
}
