import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { RelayScene } from '../../testkit/xds/relay-scene.ts';
import { type DeltaPeer, wordsOf } from '../../testkit/xds/scripted-peer.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, type Resource } from '../serve/index.ts';

const NAME = { typeUrl: ENDPOINTS_TYPE, name: 'a' };
const CLUSTER = modelResource(CLUSTER_TYPE, 'a', '1', [NAME]);

/** @param version of which the node has what comes before the point */
function endpoints(version: string): Resource {
  return modelResource(NAME.typeUrl, NAME.name, version);
}

/** A relay in a place that is part of what it makes of endpoints. */
async function openScene() {
  const place = { name: 'north' };
  const localForm = (sent: Resource): Resource =>
    sent.typeUrl === ENDPOINTS_TYPE ? { ...sent, version: `${sent.version.split('.')[0]} ${place.name}` } : sent;
  return { place, scene: await RelayScene.open({ localForm }) };
}

/** A client that has endpoints, of which the controller knows. */
async function settled(scene: RelayScene): Promise<DeltaPeer> {
  const peer = scene.delta();
  peer.say({ node: { id: 'envoy' }, typeUrl: CLUSTER_TYPE });
  await peer.nextAcked();
  peer.say({ typeUrl: ENDPOINTS_TYPE, resourceNamesSubscribe: ['a'] });
  return peer;
}

function told(scene: RelayScene): string[] {
  return scene.controller.outcomes
    .filter(({ typeUrl }) => typeUrl === ENDPOINTS_TYPE)
    .map(({ outcome, version }) => `${outcome} ${version}`);
}

describe('what resources are on a node', () => {
  test('is what its client has; controllers and the store have what controllers said', async () => {
    const { scene } = await openScene();
    await using _closed = scene;
    scene.controller.publish(CLUSTER, endpoints('1.a'));
    const peer = await settled(scene);
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@1 north']);
    await eventually(() => assert.match(told(scene).at(-1) ?? '', / 1\.a$/));
    scene.controller.publish(CLUSTER, endpoints('2.a'));
    const response = await peer.next();
    assert.deepEqual(wordsOf(response), ['+a@2 north']);
    peer.nack(response, 'not so');
    await eventually(() => assert.ok(told(scene).includes('nack 2.a')));
    assert.equal(scene.relay.cache.get(NAME)?.version, '1 north');
    assert.equal(scene.store.get(NAME)?.version, '1.a');
  });

  test('is not sent again where it is the same, and the controller knows that it is there', async () => {
    const { place, scene } = await openScene();
    await using _closed = scene;
    scene.controller.publish(CLUSTER, endpoints('1.a'));
    const peer = await settled(scene);
    await peer.nextAcked();
    scene.controller.publish(CLUSTER, endpoints('1.b'));
    await eventually(() => assert.ok(told(scene).includes('ack 1.b')));
    assert.equal(scene.store.get(NAME)?.version, '1.b');
    assert.deepEqual(peer.unread, []);
    const sent = scene.controller.outcomes.length;
    await scene.controller.restartServer();
    await eventually(() => assert.equal(told(scene).at(-1), 'held 1.b'));
    assert.ok(scene.controller.outcomes.length > sent);
    place.name = 'south';
    scene.relay.reviewForms();
    assert.deepEqual(wordsOf(await peer.nextAcked()), ['+a@1 south']);
  });

  test('is made anew of what is stored, where the next process is', async () => {
    const { place, scene } = await openScene();
    await using _closed = scene;
    scene.controller.publish(CLUSTER, endpoints('1.a'));
    const peer = await settled(scene);
    await peer.nextAcked();
    await eventually(() => assert.equal(scene.store.get(NAME)?.version, '1.a'));
    peer.stream[Symbol.dispose]();
    place.name = 'south';
    await scene.restartRelay();
    assert.deepEqual(wordsOf(await (await settled(scene)).nextAcked()), ['+a@1 south']);
    await eventually(() => assert.equal(scene.relay.state().standby, false));
    await scene.controller.server.waitSynced('node-0');
    const answered = told(scene).filter((word) => word === 'ack 1.a');
    assert.equal(answered.length, 1, 'it is not sent again');
  });
});
