import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { freePort, freePorts } from '../../testkit/ports.ts';
import { BareEnvoy } from '../../testkit/xds/bare-envoy.ts';
import { envoyCluster, envoyEndpoints, envoyListener, envoyRoutes, envoyScope } from '../../testkit/xds/envoy-resources.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  LISTENER_TYPE,
  type Outcome,
  type Resource,
  ROUTES_TYPE,
  SCOPED_ROUTES_TYPE,
  XdsServer,
} from './index.ts';

const ALL_TYPES = [CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE, SCOPED_ROUTES_TYPE, ROUTES_TYPE];

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

const agent = new Agent({ keepAlive: true });

function get(port: number, shard: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, agent, headers: { 'x-shard': shard } }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve(`${response.statusCode} ${Buffer.concat(chunks)}`);
    });
    call.on('error', reject);
    call.end();
  });
}

/** Asks again and again until it is stopped. */
function load(port: number, shard: string) {
  const answers = new Map<string, number>();
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      const answer = await get(port, shard).catch(String);
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

function refused(outcomes: readonly Outcome[]): string[] {
  return [...new Set(outcomes.filter(({ outcome }) => outcome === 'nack').map(({ name }) => name))].sort();
}

describe('a real Envoy', () => {
  test('serves what is published, and every change without a failed request', async () => {
    await using scene = await XdsScene.open({ drainMs: 500 });
    using blue = await serve('blue');
    using green = await serve('green');
    const port = await freePort();
    scene.publish(...site(port, blue.port));
    BareEnvoy.start(scene.folder, scene.socket, 'node-0');
    await eventually(async () => assert.equal(await get(port, 'a'), '200 blue'));
    const users = load(port, 'a');
    const changes: Resource[][] = [
      // The same cluster made anew: Envoy warms it.
      [envoyEndpoints('c', blue.port), envoyCluster('c', { connectTimeout: '6s' }), envoyRoutes('r', 'c')],
      [envoyEndpoints('c', green.port), envoyCluster('c', { connectTimeout: '6s' }), envoyRoutes('r', 'c')],
      // Another cluster in its place.
      [envoyEndpoints('d', blue.port), envoyCluster('d'), envoyRoutes('r', 'd')],
      [envoyEndpoints('c', green.port), envoyCluster('c'), envoyRoutes('r', 'c')],
    ];
    for (let round = 0; round < 3; round++) {
      for (const change of changes) {
        scene.publish(...change, envoyScope('s', 'a', 'r'), envoyListener('l', port));
        await scene.server.waitSynced('node-0', { revision: scene.cache.revision });
      }
    }
    await eventually(() =>
      assert.equal(
        scene.server.clients()[0]?.types.every(({ retiring }) => retiring === 0),
        true,
      ),
    );
    await users.stop();
    assert.deepEqual([...users.answers.keys()].sort(), ['200 blue', '200 green']);
    assert.deepEqual(refused(scene.outcomes), []);
  });

  test('refuses one bad resource of each type, and serves the others', async () => {
    await using scene = await XdsScene.open();
    using backend = await serve('up');
    const [first = 0, second = 0, third = 0] = await freePorts(3);
    scene.publish(
      ...['c1', 'c2', 'bad-cluster'].map((name) => envoyEndpoints(name, backend.port)),
      envoyCluster('c1'),
      envoyCluster('bad-cluster', { connectTimeout: '0s' }),
      envoyCluster('c2'),
      envoyRoutes('r1', 'c1'),
      envoyRoutes('bad-routes', 'c1', ['same.example', 'same.example']),
      envoyRoutes('r2', 'c2'),
      envoyScope('s1', '1', 'r1'),
      envoyScope('s2', '2', 'r2'),
      envoyScope('s3', '3', 'bad-routes'),
      envoyListener('l1', first),
      envoyListener('bad-listener', third, ''),
      envoyListener('l2', second),
    );
    BareEnvoy.start(scene.folder, scene.socket, 'node-0');
    for (const port of [first, second]) {
      for (const shard of ['1', '2']) await eventually(async () => assert.equal(await get(port, shard), '200 up'));
    }
    await scene.server.waitSynced('node-0', { types: ALL_TYPES });
    assert.deepEqual(refused(scene.outcomes), ['bad-cluster', 'bad-listener', 'bad-routes']);
    const messages = scene.outcomes.filter(({ outcome }) => outcome === 'nack').map(({ name, message }) => `${name}: ${message}`);
    assert.match(messages.join('\n'), /bad-routes: .*same\.example/);
    assert.doesNotMatch(messages.join('\n'), /eds_cluster_config|scope_key_builder/, 'resources are not quoted');
    assert.match(messages.join('\n'), /bad-cluster: .*ConnectTimeout/);
    assert.match(messages.join('\n'), /bad-listener: .*StatPrefix/);
  });

  test('that reconnects to another server is sent nothing that it has; one that starts anew, everything', async (t) => {
    await using scene = await XdsScene.open();
    using backend = await serve('up');
    const port = await freePort();
    const resources = site(port, backend.port);
    scene.publish(...resources);
    const envoy = BareEnvoy.start(scene.folder, scene.socket, 'node-0');
    await scene.server.waitSynced('node-0', { types: ALL_TYPES });
    assert.equal(scene.outcomes.length, resources.length);
    await scene.server.close(0);
    const outcomes: Outcome[] = [];
    const server = new XdsServer({ cache: scene.cache, onOutcome: (outcome) => outcomes.push(outcome) });
    t.after(() => server.close(0));
    await server.listen({ path: scene.socket });
    await server.waitSynced('node-0', { types: ALL_TYPES });
    await eventually(() => assert.equal(outcomes.length, resources.length));
    assert.deepEqual(new Set(outcomes.map(({ outcome }) => outcome)), new Set(['held']), 'it has everything, and nothing was sent');
    assert.equal(await get(port, 'a'), '200 up');
    await envoy.kill();
    BareEnvoy.start(scene.folder, scene.socket, 'node-0');
    await eventually(() => assert.equal(outcomes.filter(({ outcome }) => outcome === 'ack').length, resources.length));
    await eventually(async () => assert.equal(await get(port, 'a'), '200 up'));
  });
});
