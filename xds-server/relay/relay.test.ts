import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { RelayScene } from '../../testkit/xds/relay-scene.ts';
import { type DeltaPeer, wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE, type Resource } from '../serve/index.ts';

function cluster(name: string, version = '1'): Resource {
  return modelResource(CLUSTER_TYPE, name, version, [{ typeUrl: ENDPOINTS_TYPE, name }]);
}

function endpoints(name: string, version = '1'): Resource {
  return modelResource(ENDPOINTS_TYPE, name, version);
}

/** A client of clusters that has answered everything, of which the controller knows. */
async function settled(scene: RelayScene): Promise<DeltaPeer> {
  const peer = scene.delta();
  peer.say({ node: { id: 'envoy' }, typeUrl: CLUSTER_TYPE });
  await peer.nextAcked();
  await eventually(() => assert.equal(scene.relay.state().standby, false));
  await scene.controller.server.waitSynced('node-0');
  return peer;
}

function clusterStatus(scene: RelayScene) {
  return scene.controller.server.clients()[0]?.types.find(({ typeUrl }) => typeUrl === CLUSTER_TYPE);
}

function told(scene: RelayScene): string[] {
  return scene.controller.outcomes.map(({ outcome, name, version }) => `${outcome} ${name}@${version}`);
}

function holdingsOf(scene: RelayScene, typeUrl: string, only?: string) {
  const holdings = scene.relay.holdings([typeUrl], (name) => only === undefined || name === only).get(typeUrl);
  assert.ok(holdings);
  return holdings;
}

describe('a relay', () => {
  test('answers the controller when its client has answered, and not before', async () => {
    await using scene = await RelayScene.open();
    scene.controller.publish(endpoints('a'), cluster('a'));
    const peer = await settled(scene);
    scene.controller.publish(endpoints('a'), cluster('a', '2'));
    const response = await peer.next();
    assert.deepEqual(wordsOf(response), ['+a@2']);
    await eventually(() => assert.equal(scene.relay.state().pending.length, 1));
    assert.deepEqual(told(scene), ['held a@1']);
    peer.ack(response);
    await eventually(() => assert.deepEqual(told(scene), ['held a@1', 'ack a@2']));
    assert.deepEqual(scene.relay.state().pending, []);
  });

  test('names what its client refused, and takes it back', async () => {
    await using scene = await RelayScene.open();
    scene.controller.publish(endpoints('a'), cluster('a'));
    const peer = await settled(scene);
    scene.controller.publish(endpoints('a'), cluster('a', '2'), cluster('b'), endpoints('b'), cluster('c'), endpoints('c'));
    let response = await peer.next();
    const isBad = (name: string) => name === 'a' || name === 'b';
    for (let left = 12; left > 0 && !clusterStatus(scene)?.rejected.length; left--) {
      if (response.resources.some(({ name }) => isBad(name))) peer.nack(response, `not ${response.resources.map(({ name }) => name)}`);
      else peer.ack(response);
      response = await Promise.race([peer.next(), eventually(() => assert.ok(clusterStatus(scene)?.rejected.length)).then(() => response)]);
    }
    assert.deepEqual(
      clusterStatus(scene)?.rejected.map(({ name, message }) => `${name}: ${message}`),
      ['a: not a', 'b: not b'],
    );
    assert.deepEqual(told(scene).slice(1).sort(), ['ack c@1', 'nack a@2', 'nack b@1']);
    assert.equal(scene.relay.cache.get({ typeUrl: CLUSTER_TYPE, name: 'a' })?.version, '1');
    assert.deepEqual([...scene.store.resources()].map(({ name, version }) => `${name}@${version}`).sort(), ['a@1', 'c@1']);
    const { accepted, refused } = holdingsOf(scene, CLUSTER_TYPE);
    assert.deepEqual(Object.fromEntries(accepted), { a: '1', c: '1' });
    assert.deepEqual(Object.fromEntries(refused), { a: { version: '2', message: 'not a' }, b: { version: '1', message: 'not b' } });
    assert.deepEqual(holdingsOf(scene, ENDPOINTS_TYPE), { accepted: new Map(), refused: new Map() });
    assert.deepEqual(holdingsOf(scene, CLUSTER_TYPE, 'c'), { accepted: new Map([['c', '1']]), refused: new Map() });
  });

  test('knows what a client refuses that the one before it accepted', async () => {
    await using scene = await RelayScene.open();
    scene.controller.publish(endpoints('a'), cluster('a'));
    const peer = await settled(scene);
    peer.stream[Symbol.dispose]();
    const next = scene.delta();
    next.say({ node: { id: 'envoy' }, typeUrl: CLUSTER_TYPE });
    next.nack(await next.next(), 'no longer');
    const refused = new Map([['a', { version: '1', message: 'no longer' }]]);
    await eventually(() => assert.deepEqual(holdingsOf(scene, CLUSTER_TYPE), { accepted: new Map(), refused }));
  });

  test('asks for the names that its client asks for, and no longer for those that it leaves', async () => {
    await using scene = await RelayScene.open();
    scene.controller.publish(endpoints('a'), endpoints('b'), endpoints('c'), cluster('a'));
    const peer = await settled(scene);
    peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNamesSubscribe: ['a', 'b', 'absent'] });
    const seen = new Set<string>();
    while (seen.size < 3) for (const word of wordsOf(await peer.nextAcked())) seen.add(word);
    assert.deepEqual([...seen].sort(), ['+a@1', '+b@1', '-absent']);
    assert.deepEqual([...scene.relay.cache.ofType(ENDPOINTS_TYPE).keys()].sort(), ['a', 'b']);
    peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNamesUnsubscribe: ['b'] });
    await eventually(() => assert.deepEqual([...scene.relay.cache.ofType(ENDPOINTS_TYPE).keys()], ['a']));
    await eventually(() => {
      const asked = scene.controller.server.interest().get(ENDPOINTS_TYPE);
      assert.deepEqual([...(asked?.names ?? [])].sort(), ['a', 'absent']);
    });
  });

  test('stands by without a client: it is up to date, and the controller is told of nothing', async () => {
    await using scene = await RelayScene.open({ holdMs: 50 });
    scene.controller.publish(endpoints('a'), cluster('a'));
    await eventually(() => assert.equal(scene.relay.cache.get(endpoints('a'))?.version, '1', 'with what the cluster requires'));
    scene.controller.publish(endpoints('a', '2'), cluster('a', '2'), endpoints('b'), cluster('b'));
    await eventually(() => assert.equal(scene.relay.cache.get(cluster('b'))?.version, '1'));
    await eventually(() =>
      assert.deepEqual([scene.relay.cache.get(endpoints('a'))?.version, scene.relay.cache.get(endpoints('b'))?.version], ['2', '1']),
    );
    assert.deepEqual(told(scene), []);
    assert.deepEqual([...scene.store.resources()], []);
    assert.deepEqual(
      scene.controller.server.clients().map(({ role, synced }) => ({ role, synced })),
      [{ role: 'standby', synced: false }],
    );
    await settled(scene);
    await eventually(() => assert.deepEqual(new Set(told(scene)), new Set(['held a@2', 'held b@1'])));
  });

  test('stands by again when its client is away for long, and not for a restart of it', async () => {
    await using scene = await RelayScene.open({ holdMs: 300 });
    scene.controller.publish(endpoints('a'), cluster('a'));
    const peer = await settled(scene);
    peer.stream[Symbol.dispose]();
    const again = await settled(scene);
    const streams = scene.events.filter(({ kind }) => kind === 'connected').length;
    assert.equal(streams, 2, 'one to stand by at first, one after');
    again.stream[Symbol.dispose]();
    await eventually(() => assert.equal(scene.relay.state().standby, true));
    scene.controller.publish(endpoints('a'), cluster('a', '2'));
    await eventually(() => assert.equal(scene.relay.cache.get(cluster('a'))?.version, '2'));
    assert.ok(!told(scene).includes('ack a@2'));
  });

  test('has a controller say what is gone of what it stored, and sends it nothing that it has', async () => {
    await using scene = await RelayScene.open();
    scene.controller.publish(endpoints('a'), cluster('a'), endpoints('b'), cluster('b'));
    const peer = await settled(scene);
    await eventually(() => assert.equal([...scene.store.resources()].length, 2));
    peer.stream[Symbol.dispose]();
    await scene.controller.server.close(0);
    await scene.restartRelay();
    const again = scene.delta();
    again.say({ node: { id: 'envoy' }, typeUrl: CLUSTER_TYPE });
    assert.deepEqual(wordsOf(await again.nextAcked()), ['+a@1', '+b@1'], 'from disk');
    scene.controller.publish(endpoints('a'), cluster('a'));
    await scene.controller.restartServer();
    assert.deepEqual(wordsOf(await again.nextAcked()), ['-b']);
    await eventually(() =>
      assert.deepEqual(
        [...scene.store.resources()].map(({ name }) => name),
        ['a'],
      ),
    );
  });

  test('without its disk, takes nothing from a client that has it still, and asks what it does not know', async () => {
    await using scene = await RelayScene.open();
    scene.controller.publish(endpoints('a'), cluster('a'));
    const peer = scene.delta();
    peer.say({ node: { id: 'envoy' }, typeUrl: CLUSTER_TYPE, initialResourceVersions: { a: '1', zombie: '1' } });
    const words: string[] = [];
    while (!words.includes('-zombie')) words.push(...wordsOf(await peer.nextAcked()));
    assert.deepEqual(words, ['-zombie']);
  });

  test('answers a client of a type that no controller has answered for only then', async () => {
    await using scene = await RelayScene.open();
    const peer = scene.delta();
    peer.say({ node: { id: 'envoy' }, typeUrl: LISTENER_TYPE });
    await eventually(() => assert.equal(scene.relay.state().client, true));
    assert.deepEqual(peer.unread, []);
    scene.controller.publish();
    assert.deepEqual(wordsOf(await peer.nextAcked()), []);
  });

  test('goes on with another controller when one shuts down', async () => {
    await using scene = await RelayScene.open();
    scene.controller.publish(endpoints('a'), cluster('a'));
    const peer = await settled(scene);
    await scene.controller.restartServer();
    scene.controller.publish(endpoints('a'), cluster('a', '2'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@2']);
    await eventually(() => assert.ok(told(scene).includes('ack a@2')));
    assert.ok(scene.events.some(({ kind }) => kind === 'disconnected'));
  });
});
