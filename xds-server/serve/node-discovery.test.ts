import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { DeltaPeer, wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsConnection } from '../../testkit/xds/xds-connection.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import {
  ADDRESS_TYPE,
  CLUSTER_TYPE,
  IDENTITY_TYPE,
  NODE_ENDPOINTS_TYPE,
  NODE_METHODS,
  NODE_PATH,
  type Resource,
  RpcServer,
  ScopedViews,
  SnapshotCache,
  SUBJECT_POLICY_TYPE,
  XdsServer,
  type XdsServerOptions,
} from './index.ts';

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const SHARED = new Set([ADDRESS_TYPE, IDENTITY_TYPE]);
const TYPES = [SUBJECT_POLICY_TYPE, IDENTITY_TYPE, ADDRESS_TYPE, NODE_ENDPOINTS_TYPE];

const policy = (name: string, version = '1') => modelResource(SUBJECT_POLICY_TYPE, name, version);
const address = (name: string, version = '1') => modelResource(ADDRESS_TYPE, name, version);
const endpoints = (node: string, version: string, ...policies: readonly string[]) =>
  modelResource(
    NODE_ENDPOINTS_TYPE,
    node,
    version,
    policies.map((name) => ({ typeUrl: SUBJECT_POLICY_TYPE, name })),
  );

/** What nodes are told is served beside what their Envoys are, at one address. */
async function openScene(options: Partial<XdsServerOptions> = {}) {
  const cache = new SnapshotCache();
  const views = new ScopedViews({ cache, shared: SHARED, rootsOf: (name) => [{ typeUrl: NODE_ENDPOINTS_TYPE, name }] });
  const scene = await XdsScene.open({ cache, views, methods: NODE_METHODS, settleMs: 50, ...options });
  return {
    cache,
    views,
    scene,
    publish: (...resources: readonly Resource[]) => cache.replace(resources),
    connect: () => new DeltaPeer(scene.connect().open(NODE_PATH)),
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  };
}

function askForAll(peer: DeltaPeer, node: string): void {
  for (const typeUrl of TYPES) peer.say({ node: { id: node }, typeUrl, resourceNamesSubscribe: ['*'] });
}

/** Answers so many responses, and tells what was in them. */
async function accept(peer: DeltaPeer, responses: number): Promise<string[]> {
  const words: string[] = [];
  for (let left = responses; left > 0; left--) words.push(...wordsOf(await peer.nextAcked()));
  return words;
}

describe('what agents are told beside their Envoys', () => {
  test('a node sees what is shared, its own endpoints and the policies of these', async () => {
    await using node = await openScene();
    node.publish(policy('300'), policy('301'), endpoints('n1', '1', '300'), endpoints('n2', '1', '301'), address('10.0.0.1/32'));
    const peer = node.connect();
    askForAll(peer, 'n1');
    assert.deepEqual((await accept(peer, 4)).sort(), ['+10.0.0.1/32@1', '+300@1', '+n1@1']);
    peer.say({ typeUrl: SUBJECT_POLICY_TYPE, resourceNamesSubscribe: ['301'] });
    assert.deepEqual(wordsOf(await peer.next()), ['-301'], 'for this node it does not exist');
  });

  test('policies come before the endpoints that need them, and leave after these', async () => {
    await using node = await openScene();
    node.publish(policy('300'), endpoints('n1', '1', '300'));
    const peer = node.connect();
    askForAll(peer, 'n1');
    await accept(peer, 4);
    node.publish(policy('302'), endpoints('n1', '2', '302'));
    assert.deepEqual(await accept(peer, 3), ['+302@1', '+n1@2', '-300']);
  });

  test('an address becomes somebody only when the policies of that moment are in place', async () => {
    await using node = await openScene();
    node.publish(policy('300'), endpoints('n1', '1', '300'));
    const peer = node.connect();
    askForAll(peer, 'n1');
    await accept(peer, 4);
    node.publish(policy('300', '2'), endpoints('n1', '1', '300'));
    const unanswered = await peer.next();
    const identity = modelResource(IDENTITY_TYPE, '400', '1');
    node.publish(policy('300', '3'), endpoints('n1', '1', '300'), identity, address('10.0.0.9/32'));
    assert.deepEqual(await accept(peer, 1), ['+400@1'], 'what may be sent is, and no address');
    assert.deepEqual(peer.unread, []);
    peer.ack(unanswered);
    assert.deepEqual(await accept(peer, 2), ['+300@3', '+10.0.0.9/32@1']);
  });

  test('endpoints come last, after all addresses, however many responses these take', async () => {
    await using node = await openScene({ maxBatchResources: 1 });
    const addresses = ['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32'].map((name) => address(name));
    node.publish(policy('300'), policy('301'), endpoints('n1', '1', '300', '301'), ...addresses);
    const peer = node.connect();
    askForAll(peer, 'n1');
    const words = await accept(peer, 7);
    assert.deepEqual(words.slice(0, 2).sort(), ['+300@1', '+301@1']);
    assert.deepEqual(words.slice(2, 5).sort(), ['+10.0.0.1/32@1', '+10.0.0.2/32@1', '+10.0.0.3/32@1']);
    assert.deepEqual(words.slice(5), ['+n1@1']);
  });

  test('a view ends with the last stream of its node, and is made again for the next', async () => {
    await using node = await openScene();
    node.publish(policy('300'), endpoints('n1', '1', '300'));
    const first = node.connect();
    askForAll(first, 'n1');
    await accept(first, 4);
    const view = node.views.of('n1');
    first.stream.end();
    await eventually(() => assert.deepEqual(node.scene.server.clients(), []));
    assert.notEqual(node.views.of('n1'), view);
    node.publish(policy('300', '2'), endpoints('n1', '1', '300'));
    const second = node.connect();
    askForAll(second, 'n1');
    assert.deepEqual((await accept(second, 4)).sort(), ['+300@2', '+n1@1']);
  });

  test('two servers share an address, and neither serves what is the other’s', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('xds.sock');
    const rpc = new RpcServer();
    const [forEnvoy, forAgents] = [new SnapshotCache(), new SnapshotCache()];
    forEnvoy.replace([modelResource(CLUSTER_TYPE, 'c', '1')]);
    forAgents.replace([address('10.0.0.1/32')]);
    const servers = [new XdsServer({ cache: forEnvoy, rpc }), new XdsServer({ cache: forAgents, rpc, methods: NODE_METHODS })];
    await rpc.listen({ path });
    using connection = new XdsConnection(`unix:${path}`);
    for (const [method, typeUrl, words] of [
      [ADS, CLUSTER_TYPE, ['+c@1']],
      [NODE_PATH, CLUSTER_TYPE, ['-c']],
      [ADS, ADDRESS_TYPE, ['-c']],
      [NODE_PATH, ADDRESS_TYPE, ['+10.0.0.1/32@1', '-c']],
    ] as const) {
      const peer = new DeltaPeer(connection.open(method));
      peer.say({ node: { id: 'n1' }, typeUrl, resourceNamesSubscribe: ['*', 'c'] });
      assert.deepEqual(wordsOf(await peer.next()), words, `${typeUrl} by ${method}`);
    }
    assert.deepEqual(
      servers.map((server) => server.clients().length),
      [2, 2],
    );
    await rpc.close(0);
  });
});
