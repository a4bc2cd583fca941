import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DiscoveryResponse } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource, readModelBody } from '../../testkit/xds/model-resources.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE, type Resource } from './index.ts';

const node = { id: 'node-0' };

function cluster(name: string, version = '1'): Resource {
  return modelResource(CLUSTER_TYPE, name, version);
}

function endpoints(name: string, version = '1'): Resource {
  return modelResource(ENDPOINTS_TYPE, name, version);
}

function wordsOf({ resources }: DiscoveryResponse): string[] {
  return resources
    .map(({ value }) => readModelBody(value))
    .map(({ name, version }) => `${name}@${version}`)
    .sort();
}

describe('state of the world', () => {
  test('says all clusters in each response, so that what is left out is gone', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('a'), cluster('b'));
    const peer = scene.sotw();
    peer.say({ node, typeUrl: CLUSTER_TYPE });
    const first = await peer.next();
    assert.deepEqual(wordsOf(first), ['a@1', 'b@1']);
    peer.ack(first);
    scene.publish(cluster('a', '2'), cluster('c'));
    const second = await peer.next();
    assert.deepEqual(wordsOf(second), ['a@2', 'c@1']);
    assert.notEqual(second.versionInfo, first.versionInfo);
    assert.notEqual(second.nonce, first.nonce);
  });

  test('answers the first request for everything, even with nothing', async () => {
    await using scene = await XdsScene.open();
    scene.publish();
    const peer = scene.sotw();
    peer.say({ node, typeUrl: LISTENER_TYPE });
    assert.deepEqual(wordsOf(await peer.next()), []);
  });

  test('says of endpoints those that changed', async () => {
    await using scene = await XdsScene.open();
    scene.publish(endpoints('a'), endpoints('b'), endpoints('c'));
    const peer = scene.sotw();
    peer.say({ node, typeUrl: ENDPOINTS_TYPE, resourceNames: ['a', 'b'] });
    const first = await peer.next();
    assert.deepEqual(wordsOf(first), ['a@1', 'b@1']);
    peer.ack(first, ['a', 'b']);
    scene.publish(endpoints('a'), endpoints('b', '2'), endpoints('c', '2'));
    assert.deepEqual(wordsOf(await peer.next()), ['b@2']);
  });

  test('sends a name that is added, also before the first response is answered', async () => {
    await using scene = await XdsScene.open();
    scene.publish(endpoints('a'), endpoints('b'));
    const peer = scene.sotw();
    peer.say({ node, typeUrl: ENDPOINTS_TYPE, resourceNames: ['a'] });
    peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNames: ['a', 'b'] });
    const first = await peer.next();
    assert.deepEqual(wordsOf(first), ['a@1']);
    peer.ack(first, ['a', 'b']);
    assert.deepEqual(wordsOf(await peer.next()), ['b@1']);
  });

  test('does not take a request that crossed a response for its answer', async () => {
    await using scene = await XdsScene.open();
    scene.publish(endpoints('a'), endpoints('b'));
    const peer = scene.sotw();
    peer.say({ node, typeUrl: ENDPOINTS_TYPE, resourceNames: ['a'] });
    const first = await peer.next();
    peer.ack(first, ['a']);
    scene.publish(endpoints('a', '2'), endpoints('b'));
    const second = await peer.next();
    peer.ack(first, ['a', 'b']);
    peer.ack(second, ['a']);
    scene.publish(endpoints('a', '3'), endpoints('b'));
    assert.deepEqual(wordsOf(await peer.next()), ['a@3']);
  });

  test('resumes at the version that the client has', async () => {
    await using scene = await XdsScene.open();
    scene.publish(cluster('a'), cluster('b'));
    const before = scene.sotw();
    before.say({ node, typeUrl: CLUSTER_TYPE });
    const accepted = await before.next();
    before.ack(accepted);
    const { versionInfo } = accepted;
    const peer = scene.sotw();
    peer.say({ node, typeUrl: CLUSTER_TYPE, versionInfo });
    await eventually(() =>
      assert.deepEqual(
        scene.server.clients().map(({ synced }) => synced),
        [true, true],
      ),
    );
    assert.equal(peer.unread.length, 0);
    scene.publish(cluster('a', '2'), cluster('b'));
    assert.deepEqual(wordsOf(await peer.next()), ['a@2', 'b@1']);
  });

  test('has the same version for the same resources', async () => {
    await using first = await XdsScene.open();
    await using second = await XdsScene.open();
    first.publish(cluster('a'), cluster('b'));
    second.publish(cluster('b'), cluster('a'));
    const versions = [];
    for (const scene of [first, second]) {
      const peer = scene.sotw();
      peer.say({ node, typeUrl: CLUSTER_TYPE });
      versions.push((await peer.next()).versionInfo);
    }
    assert.equal(versions[0], versions[1]);
  });
});
