import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, EXTENSION_CONFIG_TYPE, LISTENER_TYPE, type Resource } from './index.ts';

const node = { id: 'node-0' };

function cluster(name: string, version = '1'): Resource {
  return modelResource(CLUSTER_TYPE, name, version);
}

function extension(name: string, version = '1'): Resource {
  return modelResource(EXTENSION_CONFIG_TYPE, name, version);
}

describe('delta', () => {
  test('sends nothing before something is published', async () => {
    await using scene = await XdsScene.open();
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    await eventually(() => assert.equal(scene.server.clients().length, 1));
    assert.equal(scene.server.clients()[0]?.synced, false);
    scene.publish(cluster('a'));
    assert.deepEqual(wordsOf(await peer.next()), ['+a@1']);
  });

  test('answers the first request for everything, even with nothing', async () => {
    await using scene = await XdsScene.open();
    scene.publish();
    const peer = scene.delta();
    peer.say({ node, typeUrl: LISTENER_TYPE });
    assert.deepEqual(wordsOf(await peer.next()), []);
  });

  test('sends what changed and tells what is gone', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('a'), cluster('b'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@1', '+b@1']);
    scene.publish(cluster('a', '2'), cluster('c'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@2', '+c@1', '-b']);
  });

  test('carries bodies, names and versions as they were given', async () => {
    await using scene = await XdsScene.open();
    const resource = cluster('a', 'v');
    scene.publish(resource);
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    const response = await peer.next();
    assert.equal(response.typeUrl, CLUSTER_TYPE);
    assert.deepEqual(Buffer.from(response.resources[0]?.resource?.value ?? []), resource.body);
    assert.equal(response.resources[0]?.resource?.typeUrl, CLUSTER_TYPE);
    assert.equal(response.systemVersionInfo, '1');
  });

  test('resumes: what the client has is not sent, what is gone is told', async () => {
    await using scene = await XdsScene.open({ settleMs: 50 });
    scene.publish(cluster('same'), cluster('changed', '2'), cluster('new'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE, initialResourceVersions: { same: '1', changed: '1', gone: '1' } });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+changed@2', '+new@1']);
    // Not before the client had time to say what else it has, which may need this.
    assert.deepEqual(wordsOf(await peer.next()), ['-gone']);
  });

  test('tells that a name that was asked for does not exist, and sends it once it does', async () => {
    await using scene = await XdsScene.open();
    scene.publish();
    const peer = scene.delta();
    peer.say({ node, typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesSubscribe: ['x'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['-x']);
    scene.publish(extension('x'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+x@1']);
  });

  test('sends a name again that is asked for again', async () => {
    await using scene = await XdsScene.open();
    scene.publish(extension('x'), extension('y'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesSubscribe: ['x', 'y'] });
    await peer.nextAcked();
    peer.say({ typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesSubscribe: ['x'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+x@1']);
  });

  test('sends no more of a name that was left', async () => {
    await using scene = await XdsScene.open();
    scene.publish(extension('x'), extension('y'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesSubscribe: ['x', 'y'] });
    await peer.nextAcked();
    peer.say({ typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesUnsubscribe: ['x'] });
    await eventually(() => assert.equal(scene.server.clients()[0]?.types[0]?.names, 1));
    scene.publish(extension('x', '2'), extension('y', '2'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+y@2']);
  });

  test('naming nothing means everything only for listeners, clusters and scopes', async () => {
    await using scene = await XdsScene.open();
    scene.publish(modelResource(ENDPOINTS_TYPE, 'e', '1'), extension('x'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: ENDPOINTS_TYPE });
    peer.say({ typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesSubscribe: ['*'] });
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+x@1']);
    assert.equal(peer.unread.length, 0);
  });

  test('has one response of a type on its way, and makes the next of what is then', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('a'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    const first = await peer.next();
    for (let version = 2; version <= 50; version++) scene.publish(cluster('a', String(version)));
    peer.ack(first);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@50']);
  });

  test('ignores an answer to a response that is not the one on its way', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('a'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    const first = await peer.next();
    peer.say({ typeUrl: CLUSTER_TYPE, responseNonce: 'stale', errorDetail: { code: 3, message: 'no' } });
    peer.ack(first);
    await eventually(() => assert.equal(scene.server.clients()[0]?.synced, true));
    assert.deepEqual(
      scene.outcomes.map(({ outcome }) => outcome),
      ['ack'],
    );
  });

  test('sends many resources in several responses', async () => {
    await using scene = await XdsScene.open();
    scene.publish(...Array.from({ length: 1_200 }, (_, index) => cluster(`c${index}`)));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    const sizes = [];
    for (let count = 0; count < 3; count++) sizes.push((await peer.nextAcked()).resources.length);
    assert.deepEqual(sizes, [500, 500, 200]);
  });

  test('reports what became of each resource, also of removed ones', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('a'));
    const peer = scene.delta();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    await peer.nextAcked();
    scene.publish();
    await peer.nextAcked();
    await eventually(() => assert.equal(scene.outcomes.length, 2));
    const common = { nodeId: 'node-0', typeUrl: CLUSTER_TYPE, name: 'a', outcome: 'ack', message: '' };
    assert.deepEqual(scene.outcomes, [
      { ...common, version: '1', removed: false },
      { ...common, version: '', removed: true },
    ]);
  });
});
