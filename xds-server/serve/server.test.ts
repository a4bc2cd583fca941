import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { DeltaDiscoveryRequestSchema } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { DeltaPeer, wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_CONFIG_TYPE,
  LISTENER_TYPE,
  ROUTES_TYPE,
  SCOPED_ROUTES_TYPE,
  SECRET_TYPE,
  SnapshotCache,
  XdsError,
  XdsServer,
} from './index.ts';

const node = { id: 'node-0' };
const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

function hasCode(code: string) {
  return (error: unknown) => error instanceof XdsError && error.code === code;
}

const SERVICES = [
  ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners', LISTENER_TYPE],
  ['envoy.service.route.v3.ScopedRoutesDiscoveryService', 'ScopedRoutes', SCOPED_ROUTES_TYPE],
  ['envoy.service.route.v3.RouteDiscoveryService', 'Routes', ROUTES_TYPE],
  ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters', CLUSTER_TYPE],
  ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints', ENDPOINTS_TYPE],
  ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets', SECRET_TYPE],
  ['envoy.service.extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs', EXTENSION_CONFIG_TYPE],
] as const;

describe('services', () => {
  for (const [service, methods, typeUrl] of SERVICES) {
    test(`${service} serves its type`, async () => {
      await using scene = await XdsScene.open();
      scene.publish(modelResource(typeUrl, 'a', '1'));
      const delta = scene.delta(`/${service}/Delta${methods}`);
      delta.say({ node, resourceNamesSubscribe: ['a'] });
      assert.deepEqual(wordsOf(await delta.next()), ['+a@1']);
      const sotw = scene.sotw(`/${service}/Stream${methods}`);
      sotw.say({ node, resourceNames: ['a'] });
      assert.equal((await sotw.next()).typeUrl, typeUrl);
    });
  }

  test('the aggregated service puts up with a type that nobody publishes', async () => {
    await using scene = await XdsScene.open();
    scene.publish(modelResource(CLUSTER_TYPE, 'a', '1'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: 'type.googleapis.com/envoy.service.runtime.v3.Runtime', resourceNamesSubscribe: ['r'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['-r']);
    peer.say({ typeUrl: CLUSTER_TYPE });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@1']);
  });
});

describe('a client that breaks the protocol', () => {
  const cases: readonly (readonly [string, status, (peer: DeltaPeer) => void])[] = [
    ['bytes that are no request', status.INVALID_ARGUMENT, ({ stream }) => stream.send(Uint8Array.of(0xff, 0xff, 0xff))],
    ['no node', status.INVALID_ARGUMENT, (peer) => peer.say({ typeUrl: CLUSTER_TYPE })],
    ['no type', status.INVALID_ARGUMENT, (peer) => peer.say({ node })],
    [
      'too many names',
      status.RESOURCE_EXHAUSTED,
      (peer) => peer.say({ node, typeUrl: ENDPOINTS_TYPE, resourceNamesSubscribe: ['a', 'b', 'c', 'd'] }),
    ],
    [
      'too many types',
      status.RESOURCE_EXHAUSTED,
      (peer) => {
        for (let index = 0; index < 70; index++) peer.say({ node, typeUrl: `type.googleapis.com/t${index}` });
      },
    ],
    [
      'too large a request',
      status.RESOURCE_EXHAUSTED,
      (peer) => peer.say({ node, typeUrl: CLUSTER_TYPE, resourceNamesSubscribe: ['x'.repeat(20_000)] }),
    ],
  ];
  for (const [title, code, misbehave] of cases) {
    test(`${title}: its stream ends, the others go on`, async () => {
      await using scene = await XdsScene.open({ maxSubscriptions: 3, maxRequestBytes: 10_000 });
      scene.publish(modelResource(CLUSTER_TYPE, 'a', '1'));
      const other = scene.delta();
      other.say({ node, typeUrl: CLUSTER_TYPE });
      await other.nextAcked();
      const peer = scene.delta();
      misbehave(peer);
      assert.equal((await peer.stream.ended).code, code);
      scene.publish(modelResource(CLUSTER_TYPE, 'a', '2'));
      assert.deepEqual(wordsOf(await other.nextAcked()), ['+a@2']);
      await eventually(() => assert.equal(scene.server.clients().length, 1));
    });
  }

  test('a type on the service of another', async () => {
    await using scene = await XdsScene.open();
    const peer = scene.delta('/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters');
    peer.say({ node, typeUrl: LISTENER_TYPE });
    assert.equal((await peer.stream.ended).code, status.INVALID_ARGUMENT);
  });
});

describe('listening', () => {
  test('on TCP and on a Unix socket at once', async () => {
    await using scene = await XdsScene.open();
    const port = await scene.server.listen({ host: '127.0.0.1', port: 0 });
    scene.publish(modelResource(CLUSTER_TYPE, 'a', '1'));
    for (const target of [`127.0.0.1:${port}`, `unix:${scene.socket}`]) {
      const peer = new DeltaPeer(scene.connect(target).open(ADS));
      peer.say({ node, typeUrl: CLUSTER_TYPE });
      assert.deepEqual(wordsOf(await peer.next()), ['+a@1']);
    }
  });

  test('lets only the owner open the socket', async () => {
    await using scene = await XdsScene.open();
    assert.equal(statSync(scene.socket).mode & 0o777, 0o600);
  });

  test('takes over a socket that nobody listens on', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('xds.sock');
    const abandoned = createServer().listen(`${path}.old`);
    await once(abandoned, 'listening');
    renameSync(`${path}.old`, path);
    abandoned.close();
    const server = new XdsServer({ cache: new SnapshotCache() });
    await server.listen({ path });
    assert.ok(statSync(path).isSocket());
    await server.close(0);
    assert.throws(() => statSync(path));
  });

  test('refuses a socket that another listens on, and a path that is no socket', async () => {
    await using scene = await XdsScene.open();
    const server = new XdsServer({ cache: new SnapshotCache() });
    await assert.rejects(server.listen({ path: scene.socket }), hasCode('address-in-use'));
    writeFileSync(scene.folder.join('file'), '');
    await assert.rejects(server.listen({ path: scene.folder.join('file') }), hasCode('listen-failed'));
    await server.close(0);
  });

  test('refuses a port that is taken', async () => {
    await using scene = await XdsScene.open();
    const port = await scene.server.listen({ host: '127.0.0.1', port: 0 });
    assert.ok(port);
    const server = new XdsServer({ cache: new SnapshotCache() });
    await assert.rejects(server.listen({ host: '127.0.0.1', port }), hasCode('address-in-use'));
    await server.close(0);
  });
});

describe('what is known of clients', () => {
  test('who they are, what they have and what is pending', async () => {
    await using scene = await XdsScene.open();
    scene.publish(modelResource(CLUSTER_TYPE, 'a', '1'), modelResource(CLUSTER_TYPE, 'b', '1'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    await peer.nextAcked();
    await scene.server.waitSynced('node-0');
    scene.publish(modelResource(CLUSTER_TYPE, 'a', '2'), modelResource(CLUSTER_TYPE, 'b', '1'));
    await peer.next();
    const [client] = scene.server.clients();
    assert.equal(client?.nodeId, 'node-0');
    assert.equal(client.service, 'ads');
    assert.equal(client.variant, 'delta');
    assert.equal(client.synced, false);
    assert.equal(client.syncedRevision, 1);
    const [type] = client.types;
    assert.ok(type);
    const { versions, ...counts } = type;
    assert.deepEqual(counts, { typeUrl: CLUSTER_TYPE, wildcard: true, names: 0, accepted: 2, pending: 1, retiring: 0, rejected: [] });
    assert.deepEqual(
      [...versions()],
      [
        ['a', '1'],
        ['b', '1'],
      ],
    );
  });

  test('are gone when their stream is', async () => {
    const left: string[] = [];
    await using scene = await XdsScene.open({ onLeft: (nodeId) => left.push(nodeId) });
    const [peer, other] = [scene.delta(), scene.delta()];
    for (const each of [peer, other]) each.say({ node, typeUrl: CLUSTER_TYPE });
    await eventually(() => assert.equal(scene.server.clients().length, 2));
    assert.deepEqual(scene.server.listening(), new Set(['node-0']));
    other.stream.end();
    await eventually(() => assert.equal(scene.server.clients().length, 1));
    assert.deepEqual(left, [], 'there is another stream of it');
    peer.stream.end();
    assert.equal((await peer.stream.ended).code, status.OK);
    await eventually(() => assert.deepEqual(left, ['node-0']));
    assert.deepEqual([scene.server.clients().length, scene.server.listening().size], [0, 0]);
  });

  test('when they have a revision', async () => {
    const synced: string[] = [];
    await using scene = await XdsScene.open({ onSynced: (nodeId, revision) => synced.push(`${nodeId} ${revision}`) });
    scene.publish(modelResource(CLUSTER_TYPE, 'a', '1'));
    const done = scene.server.waitSynced('node-0', { revision: 2, types: [CLUSTER_TYPE, LISTENER_TYPE] });
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    await peer.nextAcked();
    await scene.server.waitSynced('node-0');
    scene.publish(modelResource(CLUSTER_TYPE, 'a', '2'));
    await peer.nextAcked();
    await scene.server.waitSynced('node-0', { revision: 2 });
    peer.say({ typeUrl: LISTENER_TYPE });
    await peer.nextAcked();
    await done;
    assert.deepEqual(synced, ['node-0 1', 'node-0 2']);
  });

  test('also where something always has changed since', async () => {
    const synced: string[] = [];
    await using scene = await XdsScene.open({ onSynced: (nodeId, revision) => synced.push(`${nodeId} ${revision}`) });
    const publish = (a: string, b: string) => scene.publish(modelResource(CLUSTER_TYPE, 'a', a), modelResource(CLUSTER_TYPE, 'b', b));
    publish('1', '1');
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    await peer.nextAcked();
    await scene.server.waitSynced('node-0');
    publish('2', '1');
    for (const revision of [2, 3, 4]) {
      const response = await peer.next();
      // What is answered next is never all that there is.
      publish(`${revision + 1}`, '1');
      peer.ack(response);
      await scene.server.waitSynced('node-0', { revision });
      assert.deepEqual(
        scene.server.clients().map((client) => [client.synced, client.syncedRevision]),
        [[false, revision]],
      );
    }
    assert.deepEqual(synced, ['node-0 1', 'node-0 2', 'node-0 3', 'node-0 4']);
  });

  test('a wait ends with its signal', async () => {
    await using scene = await XdsScene.open();
    const reason = new Error('enough');
    await assert.rejects(scene.server.waitSynced('nobody', { signal: AbortSignal.abort(reason) }), reason);
  });
});

describe('closing', () => {
  test('ends streams so that clients look elsewhere, and fails those who wait', async () => {
    await using scene = await XdsScene.open();
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    await eventually(() => assert.equal(scene.server.clients().length, 1));
    const waiting = assert.rejects(scene.server.waitSynced('node-0'), hasCode('closed'));
    await scene.server.close(5_000);
    assert.equal((await peer.stream.ended).code, status.UNAVAILABLE);
    await waiting;
  });
});

test('a client that does not read costs no memory, even if it accepts what it has not read', async () => {
  await using scene = await XdsScene.open();
  const body = Buffer.alloc(2_000_000, 'x');
  const publish = (version: number) => {
    const resources = ['a', 'b', 'c', 'd'].map((name) => ({ ...modelResource(CLUSTER_TYPE, name, `${version}`), body }));
    scene.publish(...resources);
  };
  publish(0);
  const stalled = scene.connect().open(ADS);
  const say = (request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>) =>
    stalled.send(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, request)));
  say({ node, typeUrl: CLUSTER_TYPE });
  for (let version = 1; version <= 20; version++) {
    say({ typeUrl: CLUSTER_TYPE, responseNonce: String(version) });
    publish(version);
  }
  say({ typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesSubscribe: ['last'] });
  await eventually(() => assert.equal(scene.server.clients()[0]?.types.length, 2));
  assert.equal(scene.outcomes.length, 1, 'one response was made');
  assert.equal(scene.server.clients()[0]?.types[0]?.pending, 3);
});
