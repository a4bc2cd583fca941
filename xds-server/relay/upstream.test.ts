import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { CLUSTER_TYPE, SnapshotCache, XdsServer } from '../serve/index.ts';
import { ENVOY } from './client-kind.ts';
import { Upstream } from './upstream.ts';
import { WILDCARD } from './wanted.ts';
import { decodeDelta, encodeFirst } from './wire.ts';

/** Longer than any test takes. */
const LONG_MS = 600_000;

test('a stream is opened as soon as a controller can be reached', async () => {
  using folder = new TemporaryFolder();
  const path = folder.join('controller.sock');
  const cache = new SnapshotCache();
  const server = new XdsServer({ cache });
  cache.apply({ upserts: [modelResource(CLUSTER_TYPE, 'a', '1', [])], removals: [] });
  const waits: number[] = [];
  const received: string[] = [];
  const upstream = new Upstream(
    { target: `unix:${path}`, credentials: credentials.createInsecure(), backOff: { firstMs: LONG_MS, maxMs: LONG_MS } },
    {
      onOpen: () => upstream.send(encodeFirst({ id: 'node-0', role: 'relay' }, CLUSTER_TYPE, [WILDCARD], {})),
      onMessage: (bytes) => received.push(...decodeDelta(bytes).resources.map(({ name }) => name)),
      onClose: (_status, retryMs) => waits.push(retryMs),
    },
    ENVOY.path,
  );
  try {
    upstream.open();
    await eventually(() => assert.equal(waits.length, 1, 'nothing listens'));
    await server.listen({ path });
    await eventually(() => assert.deepEqual(received, ['a']));
    assert.equal(waits.length, 1);
  } finally {
    upstream.close();
    await server.close(0);
  }
});
