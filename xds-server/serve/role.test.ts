import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, featuresOf, type Role, readRequires } from './index.ts';

const REQUIRES = [{ typeUrl: ENDPOINTS_TYPE, name: 'e' }];

async function joined(role: Role) {
  const scene = await XdsScene.open();
  scene.publish(modelResource(ENDPOINTS_TYPE, 'e', '1'), modelResource(CLUSTER_TYPE, 'c', '1', REQUIRES));
  const peer = scene.delta();
  peer.say({ node: { id: 'node-0', clientFeatures: featuresOf(role) }, typeUrl: CLUSTER_TYPE });
  return { scene, peer };
}

describe('a client', () => {
  for (const [role, requires] of [
    ['client', []],
    ['relay', REQUIRES],
    ['standby', REQUIRES],
  ] as const) {
    test(`that is a ${role} is told ${requires.length} required names`, async () => {
      const { scene, peer } = await joined(role);
      await using _ = scene;
      const { resources } = await peer.nextAcked();
      assert.deepEqual(
        resources.map(({ metadata }) => readRequires(metadata)),
        [requires],
      );
    });
  }

  test('that stands by is served all, and nothing is taken for accepted', async () => {
    const { scene, peer } = await joined('standby');
    await using _ = scene;
    await peer.nextAcked();
    scene.publish(modelResource(CLUSTER_TYPE, 'c', '2'));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+c@2']);
    scene.publish(modelResource(CLUSTER_TYPE, 'c', '3'));
    assert.deepEqual(wordsOf(await peer.next()), ['+c@3'], 'the answer before was taken');
    assert.deepEqual(scene.outcomes, []);
    assert.deepEqual(
      scene.server.clients().map(({ role, synced, syncedRevision }) => ({ role, synced, syncedRevision })),
      [{ role: 'standby', synced: false, syncedRevision: 0 }],
    );
  });

  test('that was a relay is told again of what it refused', async () => {
    const { scene, peer } = await joined('relay');
    await using _ = scene;
    peer.nack(await peer.next(), 'no');
    await scene.server.waitSynced('node-0');
    const again = scene.delta();
    again.say({ node: { id: 'node-0', clientFeatures: featuresOf('relay') }, typeUrl: CLUSTER_TYPE, initialResourceVersions: { c: '0' } });
    assert.deepEqual(wordsOf(await again.next()), ['+c@1']);
  });
});
