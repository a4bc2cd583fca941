import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { type DeltaPeer, wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE, type Resource, ROUTES_TYPE, SCOPED_ROUTES_TYPE } from './index.ts';

const node = { id: 'node-0' };

function endpoints(name: string, version = '1'): Resource {
  return modelResource(ENDPOINTS_TYPE, name, version);
}

function cluster(name: string, version = '1', requires: readonly string[] = []): Resource {
  return modelResource(
    CLUSTER_TYPE,
    name,
    version,
    requires.map((each) => ({ typeUrl: ENDPOINTS_TYPE, name: each })),
  );
}

function routes(name: string, version: string, ...clusters: readonly string[]): Resource {
  return modelResource(
    ROUTES_TYPE,
    name,
    version,
    clusters.map((each) => ({ typeUrl: CLUSTER_TYPE, name: each })),
  );
}

function scope(name: string, version: string, route: string): Resource {
  return modelResource(SCOPED_ROUTES_TYPE, name, version, [{ typeUrl: ROUTES_TYPE, name: route }]);
}

/** Asks for clusters, then the named endpoints and routes, and accepts what comes. */
async function settle(peer: DeltaPeer, { endpoints = [], routes = [] }: { endpoints?: string[]; routes?: string[] }): Promise<void> {
  peer.say({ node, typeUrl: CLUSTER_TYPE });
  await peer.nextAcked();
  if (endpoints.length > 0) {
    peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNamesSubscribe: endpoints });
    await peer.nextAcked();
  }
  if (routes.length > 0) {
    peer.say({ typeUrl: ROUTES_TYPE, resourceNamesSubscribe: routes });
    await peer.nextAcked();
  }
}

describe('make before break', () => {
  test('routes wait until the clusters that they name are accepted', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('old'), routes('r', '1', 'old'));
    const peer = scene.delta();
    await settle(peer, { routes: ['r'] });
    scene.publish(cluster('new'), routes('r', '2', 'new'));
    const added = await peer.next();
    assert.deepEqual(wordsOf(added), ['+new@1']);
    assert.equal(peer.unread.length, 0);
    peer.ack(added);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+r@2']);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['-old']);
  });

  test('routes wait until a new cluster has its endpoints', async () => {
    await using scene = await XdsScene.open({ settleMs: 60_000 });
    scene.publish(routes('r', '1'));
    const peer = scene.delta();
    await settle(peer, { routes: ['r'] });
    scene.publish(endpoints('e'), cluster('c', '1', ['e']), routes('r', '2', 'c'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+c@1']);
    peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNamesSubscribe: ['e'] });
    const assigned = await peer.next();
    assert.deepEqual(wordsOf(assigned), ['+e@1']);
    assert.equal(peer.unread.length, 0);
    peer.ack(assigned);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+r@2']);
  });

  test('routes do not wait forever for endpoints that the client does not ask for', async () => {
    await using scene = await XdsScene.open({ settleMs: 50 });
    scene.publish(routes('r', '1'));
    const peer = scene.delta();
    await settle(peer, { routes: ['r'] });
    scene.publish(endpoints('e'), cluster('c', '1', ['e']), routes('r', '2', 'c'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+c@1']);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+r@2']);
  });

  test('routes go on when the client refuses their cluster', async () => {
    await using scene = await XdsScene.open();
    scene.publish(routes('r', '1'));
    const peer = scene.delta();
    await settle(peer, { routes: ['r'] });
    scene.publish(cluster('c'), routes('r', '2', 'c'));
    peer.nack(await peer.next(), 'no');
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+r@2']);
  });

  test('what waits is superseded by what is newer', async () => {
    await using scene = await XdsScene.open();
    scene.publish(routes('r', '1'));
    const peer = scene.delta();
    await settle(peer, { routes: ['r'] });
    scene.publish(cluster('c'), routes('r', '2', 'c'));
    const added = await peer.next();
    scene.publish(cluster('c'), routes('r', '3', 'c'));
    peer.ack(added);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+r@3']);
  });

  test('clusters stay until the connections to them had time to drain', async () => {
    await using scene = await XdsScene.open({ drainMs: 300 });
    scene.publish(cluster('c'), routes('r', '1', 'c'));
    const peer = scene.delta();
    await settle(peer, { routes: ['r'] });
    scene.publish(routes('r', '2'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+r@2']);
    await scene.server.waitSynced('node-0', { revision: 2 });
    const accepted = performance.now();
    assert.equal(scene.server.clients()[0]?.types[0]?.retiring, 1);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['-c']);
    assert.ok(performance.now() - accepted > 200);
  });

  test('a cluster stays while the client holds on to routes that name it', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('c'), routes('r', '1', 'c'));
    const peer = scene.delta();
    await settle(peer, { routes: ['r'] });
    scene.publish(routes('r', '2'));
    peer.nack(await peer.next(), 'no');
    await scene.server.waitSynced('node-0', { revision: 2 });
    assert.equal(peer.unread.length, 0);
    scene.publish(routes('r', '3'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+r@3']);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['-c']);
  });

  test('routes leave a shard only once they are found in the new one', async () => {
    await using scene = await XdsScene.open({ settleMs: 60_000 });
    scene.publish(scope('s', '1', 'a'), routes('a', '1'));
    const peer = scene.delta();
    await settle(peer, { routes: ['a'] });
    peer.say({ typeUrl: SCOPED_ROUTES_TYPE });
    await peer.nextAcked();
    scene.publish(scope('s', '1', 'a'), scope('t', '1', 'b'), routes('a', '2'), routes('b', '1'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+t@1']);
    peer.say({ typeUrl: ROUTES_TYPE, resourceNamesSubscribe: ['b'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+b@1']);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@2']);
  });

  test('a listener and the one that it replaces are in one response', async () => {
    await using scene = await XdsScene.open();
    const listener = (name: string, cluster: string) => modelResource(LISTENER_TYPE, name, '1', [{ typeUrl: CLUSTER_TYPE, name: cluster }]);
    scene.publish(cluster('a'), listener('old', 'a'));
    const peer = scene.delta();
    await settle(peer, {});
    peer.say({ typeUrl: LISTENER_TYPE });
    await peer.nextAcked();
    scene.publish(cluster('a'), cluster('b'), listener('new', 'b'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+b@1']);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+new@1', '-old']);
  });

  test('a stream of one type waits for no other', async () => {
    await using scene = await XdsScene.open({ settleMs: 60_000 });
    scene.publish(endpoints('e'), cluster('c', '1', ['e']), routes('r', '1', 'c'));
    const peer = scene.delta('/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes');
    peer.say({ node, resourceNamesSubscribe: ['r'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+r@1']);
    await scene.server.waitSynced('node-0');
  });
});

describe('warming', () => {
  test('endpoints are sent again when their cluster changed', async () => {
    await using scene = await XdsScene.open();
    scene.publish(endpoints('e'), cluster('c', '1', ['e']));
    const peer = scene.delta();
    await settle(peer, { endpoints: ['e'] });
    scene.publish(endpoints('e'), cluster('c', '2', ['e']));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+c@2']);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+e@1']);
  });

  test('who shares endpoints with a cluster that changed does not wait for them', async () => {
    await using scene = await XdsScene.open({ settleMs: 60_000 });
    const all = (changed: string, routed: string) => [
      endpoints('e'),
      ...[cluster('changed', changed, ['e']), cluster('beside', '1', ['e'])],
      ...[routes('of-changed', changed, 'changed'), routes('of-beside', routed, 'beside')],
    ];
    scene.publish(...all('1', '1'));
    const peer = scene.delta();
    await settle(peer, { endpoints: ['e'], routes: ['of-changed', 'of-beside'] });
    scene.publish(...all('2', '1'));
    const change = await peer.next();
    assert.deepEqual(wordsOf(change), ['+changed@2']);
    const owed = await peer.next();
    assert.deepEqual(wordsOf(owed), ['+e@1']);
    scene.publish(...all('2', '2'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+of-beside@2']);
    peer.ack(change);
    peer.ack(owed);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+of-changed@2']);
  });

  test('a cluster waits for endpoints once, however many others change that share them', async () => {
    await using scene = await XdsScene.open({ settleMs: 60_000 });
    const all = (first: string, second: string) => [
      endpoints('e'),
      ...[cluster('first', first, ['e']), cluster('second', second, ['e'])],
      ...[routes('of-first', first, 'first'), routes('of-second', second, 'second')],
    ];
    scene.publish(...all('1', '1'));
    const peer = scene.delta();
    await settle(peer, { endpoints: ['e'], routes: ['of-first', 'of-second'] });
    scene.publish(...all('2', '1'));
    peer.ack(await peer.next());
    const owedToFirst = await peer.next();
    scene.publish(...all('2', '2'));
    const second = await peer.next();
    assert.deepEqual([wordsOf(owedToFirst), wordsOf(second)], [['+e@1'], ['+second@2']]);
    peer.ack(owedToFirst);
    const next = [await peer.next(), await peer.next()];
    assert.deepEqual(next.map(wordsOf), [['+e@1'], ['+of-first@2']]);
    for (const response of [second, ...next]) peer.ack(response);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+of-second@2']);
  });

  test('endpoints on their way are none of a cluster that changes once more', async () => {
    await using scene = await XdsScene.open({ settleMs: 60_000 });
    const all = (version: string) => [endpoints('e'), cluster('c', version, ['e']), routes('of-c', version, 'c')];
    scene.publish(...all('1'));
    const peer = scene.delta();
    await settle(peer, { endpoints: ['e'], routes: ['of-c'] });
    scene.publish(...all('2'));
    peer.ack(await peer.next());
    const owed = await peer.next();
    scene.publish(...all('3'));
    const again = await peer.next();
    assert.deepEqual([wordsOf(owed), wordsOf(again)], [['+e@1'], ['+c@3']]);
    peer.ack(owed);
    const more = await peer.next();
    peer.ack(again);
    peer.say({ typeUrl: LISTENER_TYPE });
    const answer = await peer.nextAcked();
    assert.deepEqual([wordsOf(more), answer.typeUrl, wordsOf(answer)], [['+e@1'], LISTENER_TYPE, []]);
    peer.ack(more);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+of-c@3']);
  });

  test('endpoints that are owed are sent after a reconnect, whichever type the client asks for first', async () => {
    await using scene = await XdsScene.open();
    scene.publish(endpoints('e'), cluster('c', '1', ['e']));
    const before = scene.delta();
    await settle(before, { endpoints: ['e'] });
    scene.publish(endpoints('e'), cluster('c', '2', ['e']));
    await before.next();
    before.stream[Symbol.dispose]();
    await eventually(() => assert.deepEqual(scene.server.clients(), []));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE, initialResourceVersions: { c: '2' } });
    assert.deepEqual(wordsOf(await peer.nextAcked()), []);
    peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNamesSubscribe: ['e'], initialResourceVersions: { e: '1' } });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+e@1']);
  });

  test('nothing is owed to a new process, or once it was accepted', async () => {
    await using scene = await XdsScene.open();
    scene.publish(endpoints('e'), cluster('c', '1', ['e']));
    const before = scene.delta();
    await settle(before, { endpoints: ['e'] });
    await scene.server.waitSynced('node-0');
    before.stream[Symbol.dispose]();
    await eventually(() => assert.deepEqual(scene.server.clients(), []));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE, initialResourceVersions: { c: '1' } });
    assert.deepEqual(wordsOf(await peer.nextAcked()), []);
    peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNamesSubscribe: ['e'], initialResourceVersions: { e: '1' } });
    await scene.server.waitSynced('node-0', { types: [ENDPOINTS_TYPE] });
    assert.equal(peer.unread.length, 0);
  });
});
