import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { ModelClient } from '../../testkit/xds/model-client.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { CLUSTER_TYPE, type Resource } from './index.ts';

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService';

function cluster(name: string, version = '1'): Resource {
  return modelResource(CLUSTER_TYPE, name, version);
}

/** A client that refuses versions with a `!`. */
function join(scene: XdsScene, nodeId: string, variant: 'delta' | 'sotw'): ModelClient {
  const client = new ModelClient({ nodeId, variant, refuses: ({ version }) => version.includes('!') });
  const stream = scene.connect().open(`${ADS}/${variant === 'delta' ? 'Delta' : 'Stream'}AggregatedResources`);
  stream.onResponse((response) => client.receive(response));
  client.connect((request) => stream.send(request));
  return client;
}

function clustersOf(client: ModelClient): string[] {
  return [...client.resources(CLUSTER_TYPE).values()].map(({ name, version }) => `${name}@${version}`).sort();
}

for (const variant of ['delta', 'sotw'] as const) {
  describe(`a refused resource, ${variant}`, () => {
    test('is named, and its neighbours are in force', async () => {
      await using scene = await XdsScene.open();
      const client = join(scene, 'node-0', variant);
      scene.publish(...Array.from({ length: 9 }, (_, index) => cluster(`c${index}`, index === 4 ? '1!' : '1')));
      await scene.server.waitSynced('node-0');
      assert.deepEqual(clustersOf(client), ['c0@1', 'c1@1', 'c2@1', 'c3@1', 'c5@1', 'c6@1', 'c7@1', 'c8@1']);
      const refusals = scene.outcomes.filter(({ outcome }) => outcome === 'nack');
      assert.deepEqual(
        refusals.map(({ name, version, message }) => ({ name, version, message })),
        [{ name: 'c4', version: '1!', message: 'refused: c4' }],
      );
      const status = scene.server.clients()[0]?.types.find(({ typeUrl }) => typeUrl === CLUSTER_TYPE);
      assert.deepEqual(status?.rejected, [{ name: 'c4', version: '1!', message: 'refused: c4' }]);
    });

    test('leaves the version before it in force, and is not sent again until it changes', async () => {
      await using scene = await XdsScene.open();
      const client = join(scene, 'node-0', variant);
      scene.publish(cluster('a'), cluster('b'));
      await scene.server.waitSynced('node-0');
      scene.publish(cluster('a', '2!'), cluster('b', '2'));
      await scene.server.waitSynced('node-0', { revision: 2 });
      assert.deepEqual(clustersOf(client), ['a@1', 'b@2']);
      scene.publish(cluster('a', '2!'), cluster('b', '3'));
      await scene.server.waitSynced('node-0', { revision: 3 });
      assert.deepEqual(clustersOf(client), ['a@1', 'b@3']);
      assert.equal(scene.outcomes.filter(({ outcome }) => outcome === 'nack').length, 1);
      scene.publish(cluster('a', '3'), cluster('b', '3'));
      await scene.server.waitSynced('node-0', { revision: 4 });
      assert.deepEqual(clustersOf(client), ['a@3', 'b@3']);
    });

    test('gives way to the last good version at a client that has none', async () => {
      await using scene = await XdsScene.open();
      join(scene, 'old', variant);
      scene.publish(cluster('a'));
      await scene.server.waitSynced('old');
      scene.publish(cluster('a', '2!'));
      await scene.server.waitSynced('old', { revision: 2 });
      const client = join(scene, 'new', variant);
      await scene.server.waitSynced('new', { revision: 2 });
      assert.deepEqual(clustersOf(client), ['a@1']);
    });
  });
}

describe('what a client refused', () => {
  test('is remembered while it reconnects, and forgotten when it starts anew', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('a', '1!'), cluster('b'));
    const first = join(scene, 'node-0', 'delta');
    await scene.server.waitSynced('node-0');
    assert.deepEqual(clustersOf(first), ['b@1']);
    const again = scene.delta();
    again.say({ node: { id: 'node-0' }, typeUrl: CLUSTER_TYPE, initialResourceVersions: { b: '1' } });
    assert.deepEqual(wordsOf(await again.next()), []);
    const anew = scene.delta();
    anew.say({ node: { id: 'node-0' }, typeUrl: CLUSTER_TYPE });
    assert.deepEqual(wordsOf(await anew.next()), ['+a@1!', '+b@1']);
  });

  test('counts for the version that was sent, not for the one that is current', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('a', '1'));
    const peer = scene.delta();
    peer.say({ node: { id: 'node-0' }, typeUrl: CLUSTER_TYPE });
    const response = await peer.next();
    scene.publish(cluster('a', '2'));
    peer.nack(response, 'no');
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@2']);
    await eventually(() => assert.equal(scene.server.clients()[0]?.synced, true));
    assert.deepEqual(
      scene.outcomes.map(({ outcome, version }) => `${outcome} ${version}`),
      ['nack 1', 'ack 2'],
    );
  });
});
