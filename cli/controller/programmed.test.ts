import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { CLUSTER_TYPE, NodeViews, SnapshotCache } from '../../xds-server/serve/index.ts';
import { untilProgrammed } from './programmed.ts';

test('what is published is in force when the nodes that serve it have it, whatever the others do', async () => {
  const cache = new SnapshotCache();
  const views = new NodeViews(cache, 'nothing');
  await using scene = await XdsScene.open({ cache, views });
  cache.replace([modelResource(CLUSTER_TYPE, 'a', '1')]);
  views.grant(new Map([['serving', 'everything']]));
  const [serving, idle] = [scene.delta(), scene.delta()];
  for (const [peer, id] of [
    [serving, 'serving'],
    [idle, 'idle'],
  ] as const)
    peer.say({ node: { id }, typeUrl: CLUSTER_TYPE });
  await serving.nextAcked();
  // It never answers.
  await idle.next();
  const waited: string[] = [];
  const { server } = scene;
  const told = {
    clients: () => server.clients(),
    waitSynced: (node: string, condition: Parameters<typeof server.waitSynced>[1]) => {
      waited.push(node);
      return server.waitSynced(node, condition);
    },
  };
  await untilProgrammed({ server: told, cache, views, pipeline: { servingNodes: () => new Set(['serving']) } });
  assert.deepEqual(waited, ['serving']);
  assert.deepEqual(
    server
      .clients()
      .map(({ nodeId, synced }) => [nodeId, synced])
      .sort(),
    [
      ['idle', false],
      ['serving', true],
    ],
  );
});
