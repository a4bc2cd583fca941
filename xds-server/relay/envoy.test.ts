import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { freePort } from '../../testkit/ports.ts';
import { BareEnvoy } from '../../testkit/xds/bare-envoy.ts';
import { envoyCluster, envoyEndpoints, envoyListener, envoyRoutes, envoyScope } from '../../testkit/xds/envoy-resources.ts';
import { RelayScene } from '../../testkit/xds/relay-scene.ts';
import { CLUSTER_TYPE, type Resource } from '../serve/index.ts';

/** A backend that answers with its name. */
async function serve(name: string) {
  const server = createServer((_, response) => response.end(name));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.dispose]: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function get(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-shard': 'a' } });
  return `${response.status} ${await response.text()}`;
}

/** Asks again and again until it is stopped, and counts the answers. */
function load(port: number) {
  const answers = new Map<string, number>();
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      const answer = await get(port).catch(String);
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
  })();
  return {
    answers,
    stop: async () => {
      stopped = true;
      await running;
    },
  };
}

function site(port: number, backend: number): Resource[] {
  return [envoyEndpoints('c', backend), envoyCluster('c'), envoyRoutes('r', 'c'), envoyScope('s', 'a', 'r'), envoyListener('l', port)];
}

/** Waits until the controller knows that Envoy has the newest revision. */
async function inForce({ controller }: RelayScene): Promise<void> {
  await controller.server.waitSynced('node-0', { revision: controller.cache.revision, signal: AbortSignal.timeout(20_000) });
}

describe('a real Envoy behind a relay', () => {
  test('serves every change without a failed request, whoever is restarted meanwhile', async () => {
    await using scene = await RelayScene.open({ holdMs: 5_000 }, { drainMs: 500 });
    using blue = await serve('blue');
    using green = await serve('green');
    const port = await freePort();
    scene.controller.publish(...site(port, blue.port));
    BareEnvoy.start(scene.controller.folder, scene.socket, 'envoy');
    await eventually(async () => assert.equal(await get(port), '200 blue'));
    const users = load(port);
    const changes: Resource[][] = [
      [envoyEndpoints('c', blue.port), envoyCluster('c', { connectTimeout: '6s' }), envoyRoutes('r', 'c')],
      [envoyEndpoints('c', green.port), envoyCluster('c', { connectTimeout: '6s' }), envoyRoutes('r', 'c')],
      [envoyEndpoints('d', blue.port), envoyCluster('d'), envoyRoutes('r', 'd')],
      [envoyEndpoints('c', green.port), envoyCluster('c'), envoyRoutes('r', 'c')],
    ];
    const disturbances = [async () => {}, () => scene.restartRelay(), () => scene.controller.restartServer()];
    for (const disturb of disturbances) {
      for (const change of changes) {
        scene.controller.publish(...change, envoyScope('s', 'a', 'r'), envoyListener('l', port));
        await inForce(scene);
      }
      await disturb();
    }
    await inForce(scene);
    await users.stop();
    assert.deepEqual([...users.answers.keys()].sort(), ['200 blue', '200 green']);
    assert.deepEqual(
      scene.controller.outcomes.filter(({ outcome }) => outcome === 'nack'),
      [],
    );
  });

  test('that refuses a resource is quoted to the controller by name, which looks for nothing', async () => {
    await using scene = await RelayScene.open();
    using backend = await serve('up');
    const port = await freePort();
    const clusters = Array.from({ length: 40 }, (_, index) => envoyCluster(`c${index}`, index === 17 ? { connectTimeout: '0s' } : {}));
    const endpoints = clusters.map(({ name }) => envoyEndpoints(name, backend.port));
    BareEnvoy.start(scene.controller.folder, scene.socket, 'envoy');
    scene.controller.publish(...site(port, backend.port));
    await inForce(scene);
    scene.controller.publish(...site(port, backend.port), ...endpoints, ...clusters);
    await inForce(scene);
    const refused = scene.controller.outcomes.filter(({ outcome }) => outcome === 'nack');
    assert.deepEqual(
      refused.map(({ name }) => name),
      ['c17'],
    );
    assert.match(refused[0]?.message ?? '', /ConnectTimeout/);
    assert.doesNotMatch(refused.map(({ message }) => message).join(), /eds_cluster_config/);
    assert.equal(scene.relay.cache.get({ typeUrl: CLUSTER_TYPE, name: 'c17' }), undefined);
    assert.equal(await get(port), '200 up');
  });

  test('starts from disk while the controller is away, and has what changed once it is back', async () => {
    await using scene = await RelayScene.open();
    using blue = await serve('blue');
    using green = await serve('green');
    const port = await freePort();
    scene.controller.publish(...site(port, blue.port));
    const envoy = BareEnvoy.start(scene.controller.folder, scene.socket, 'envoy');
    await eventually(async () => assert.equal(await get(port), '200 blue'));
    await inForce(scene);
    await scene.controller.server.close(0);
    await envoy.kill();
    await scene.restartRelay();
    const again = BareEnvoy.start(scene.controller.folder, scene.socket, 'envoy');
    await eventually(async () => assert.equal(await get(port), '200 blue'));
    assert.equal(scene.relay.state().controller, undefined);
    await again.kill();
    await scene.restartRelay();
    scene.controller.publish(...site(port, green.port));
    BareEnvoy.start(scene.controller.folder, scene.socket, 'envoy');
    await scene.controller.restartServer();
    await eventually(async () => assert.equal(await get(port), '200 green'));
    await inForce(scene);
    assert.equal(scene.relay.state().standby, false);
  });

  test('takes a change through the relay about as fast as directly', async (t) => {
    await using scene = await RelayScene.open();
    using backend = await serve('up');
    const port = await freePort();
    const all = (index: number) => [...site(port, backend.port), envoyEndpoints('x', 1000 + index), envoyCluster('x')];
    scene.controller.publish(...all(0));
    BareEnvoy.start(scene.controller.folder, scene.socket, 'envoy');
    BareEnvoy.start(scene.controller.folder, scene.controller.socket, 'direct');
    await inForce(scene);
    await scene.controller.server.waitSynced('direct');
    const figures = new Map<string, number>();
    for (let index = 1; index <= 50; index++) {
      const began = performance.now();
      scene.controller.publish(...all(index));
      const revision = scene.controller.cache.revision;
      await Promise.all(
        ['direct', 'node-0'].map(async (node) => {
          await scene.controller.server.waitSynced(node, { revision });
          figures.set(node, (figures.get(node) ?? 0) + performance.now() - began);
        }),
      );
    }
    const mean = (node: string) => `${((figures.get(node) ?? 0) / 50).toFixed(2)} ms`;
    t.diagnostic(`endpoints changed → in force: ${mean('direct')} directly, ${mean('node-0')} through a relay`);
    assert.equal(figures.size, 2);
  });
});
