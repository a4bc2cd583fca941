import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { StatusSchema } from '@sluice/envoy-protos/google/rpc/status_pb.js';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { CLUSTER_TYPE, readRefusal, writeRefusal } from './index.ts';

describe('a refusal', () => {
  test('is read as it was written', () => {
    const refusal = {
      message: 'two',
      resources: new Map([
        ['a', 'no'],
        ['b', 'not this'],
      ] as const),
    };
    assert.deepEqual(readRefusal(create(StatusSchema, writeRefusal(refusal))), refusal);
  });

  test('whose detail cannot be read is one that names nothing', () => {
    const typeUrl = 'type.googleapis.com/google.rpc.BadRequest';
    const status = create(StatusSchema, { message: 'no', details: [{ typeUrl, value: Uint8Array.of(255, 255) }] });
    assert.deepEqual(readRefusal(status), { message: 'no', resources: new Map() });
  });

  test('that names resources is of those, and an acceptance of the others', async () => {
    await using scene = await XdsScene.open();
    scene.publish(...['a', 'b', 'c', 'd'].map((name) => modelResource(CLUSTER_TYPE, name, '1')));
    const peer = scene.delta();
    peer.say({ node: { id: 'node-0' }, typeUrl: CLUSTER_TYPE });
    const { nonce } = await peer.next();
    const quoted = 'goo.gle/debugstr { secret }: Proto constraint validation failed';
    const errorDetail = writeRefusal({ message: 'b: no', resources: new Map([['b', quoted]]) });
    peer.say({ typeUrl: CLUSTER_TYPE, responseNonce: nonce, errorDetail });
    await scene.server.waitSynced('node-0');
    assert.deepEqual(scene.outcomes.map(({ outcome, name, message }) => `${outcome} ${name} ${message}`.trim()).sort(), [
      'ack a',
      'ack c',
      'ack d',
      'nack b Proto constraint validation failed',
    ]);
    scene.publish(...['a', 'b', 'c', 'd'].map((name) => modelResource(CLUSTER_TYPE, name, '2')));
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@2', '+b@2', '+c@2', '+d@2'], 'nothing was sent in between');
  });
});
