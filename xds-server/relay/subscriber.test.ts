import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import { ADDRESS_TYPE, IDENTITY_TYPE, NODE_METHODS, type ResourceChange } from '../serve/index.ts';
import { RelayStore, Subscriber, type SubscriberEvent } from './index.ts';

const TYPES = [ADDRESS_TYPE, IDENTITY_TYPE];
const address = (name: string, version = '1') => modelResource(ADDRESS_TYPE, name, version);

/** A controller, and an agent that keeps what it is told in a map. */
class Scene implements AsyncDisposable {
  readonly controller: XdsScene;
  readonly events: SubscriberEvent[] = [];
  readonly changes: string[] = [];
  /** Names that the agent refuses. */
  readonly refused = new Set<string>();
  inForce = new Map<string, string>();
  store: RelayStore;
  subscriber: Subscriber;
  /** What applying waits for. */
  gate: Promise<void> = Promise.resolve();

  private constructor(controller: XdsScene) {
    this.controller = controller;
    this.store = this.#openStore();
    this.subscriber = this.#make();
  }

  static async open(): Promise<Scene> {
    return new Scene(await XdsScene.open({ methods: NODE_METHODS }));
  }

  /** Another process of the agent, on a machine that has just been started. */
  async restart(): Promise<void> {
    await this.subscriber.close();
    await this.store.close();
    this.inForce = new Map();
    this.store = this.#openStore();
    this.subscriber = this.#make();
    await this.subscriber.start();
  }

  hasInForce(expected: Record<string, string>): Promise<void> {
    return eventually(() => assert.deepEqual(Object.fromEntries(this.inForce), expected));
  }

  #openStore(): RelayStore {
    return RelayStore.open({ folder: this.controller.folder.join('store'), gatherMs: 1 });
  }

  #make(): Subscriber {
    const upstream = {
      target: `unix:${this.controller.socket}`,
      credentials: credentials.createInsecure(),
      backOff: { firstMs: 20, maxMs: 100 },
    };
    return new Subscriber({
      upstream,
      nodeId: 'n1',
      typeUrls: TYPES,
      store: this.store,
      apply: (change) => this.#apply(change),
      onEvent: (event) => this.events.push(event),
    });
  }

  async #apply({ upserts, removals }: ResourceChange): Promise<Map<string, string>> {
    await this.gate;
    this.changes.push([...upserts.map(({ name, version }) => `+${name}@${version}`), ...removals.map(({ name }) => `-${name}`)].join(' '));
    if (this.refused.has('everything')) throw new Error('no such thing');
    const refusals = new Map<string, string>();
    for (const { name, version } of upserts) {
      if (this.refused.has(name)) refusals.set(name, 'not this one');
      else this.inForce.set(name, version);
    }
    for (const { name } of removals) this.inForce.delete(name);
    return refusals;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.subscriber.close();
    await this.store.close();
    await this.controller[Symbol.asyncDispose]();
  }
}

describe('a subscriber', () => {
  test('puts in force what comes, changes and goes, and says so', async () => {
    await using scene = await Scene.open();
    scene.controller.publish(address('a'), modelResource(IDENTITY_TYPE, 'i', '1'));
    assert.equal(scene.subscriber.state().isSynced, false);
    await scene.subscriber.start();
    await scene.hasInForce({ a: '1', i: '1' });
    scene.controller.publish(address('a', '2'), address('b'));
    await scene.hasInForce({ a: '2', b: '1' });
    await eventually(() => assert.equal(scene.subscriber.state().isSynced, true));
    await scene.controller.server.waitSynced('n1', { types: TYPES });
    assert.deepEqual(
      scene.events.map(({ kind }) => kind),
      ['connected'],
    );
  });

  test('the controller is answered only when a change is in force', async () => {
    await using scene = await Scene.open();
    const gate = Promise.withResolvers<void>();
    scene.gate = gate.promise;
    scene.controller.publish(address('a'));
    await scene.subscriber.start();
    await eventually(() => assert.equal(scene.controller.server.standing({ typeUrl: ADDRESS_TYPE, name: 'a' }, '1').kind, 'pending'));
    assert.deepEqual(scene.changes, []);
    gate.resolve();
    await eventually(() => assert.equal(scene.controller.server.standing({ typeUrl: ADDRESS_TYPE, name: 'a' }, '1').kind, 'accepted'));
  });

  test('what is refused is told of by name, its neighbours are in force, and what was before stands', async () => {
    await using scene = await Scene.open();
    scene.controller.publish(address('a'), address('b'));
    await scene.subscriber.start();
    await scene.hasInForce({ a: '1', b: '1' });
    scene.refused.add('a');
    scene.controller.publish(address('a', '2'), address('b', '2'));
    await scene.hasInForce({ a: '1', b: '2' });
    await eventually(() => assert.equal(scene.controller.server.standing({ typeUrl: ADDRESS_TYPE, name: 'a' }, '2').kind, 'refused'));
    assert.deepEqual(scene.events.at(-1), { kind: 'refused', typeUrl: ADDRESS_TYPE, name: 'a', message: 'not this one' });
    scene.refused.clear();
    await scene.restart();
    await scene.hasInForce({ a: '2', b: '2' });
  });

  test('what cannot be applied at all is refused whole', async () => {
    await using scene = await Scene.open();
    scene.refused.add('everything');
    scene.controller.publish(address('a'), address('b'));
    await scene.subscriber.start();
    await eventually(() => assert.deepEqual(scene.events.filter(({ kind }) => kind === 'refused').length, 2));
    assert.deepEqual([...scene.store.resources()], []);
  });

  test('after a restart without a controller everything is in force again, and then only differences are sent', async () => {
    await using scene = await Scene.open();
    scene.controller.publish(address('a'), address('b'), address('c'));
    await scene.subscriber.start();
    await scene.hasInForce({ a: '1', b: '1', c: '1' });
    await scene.store.flush();
    await scene.controller.server.close(0);
    await eventually(() => assert.equal(scene.events.at(-1)?.kind, 'disconnected'));
    scene.changes.length = 0;
    await scene.restart();
    assert.deepEqual(scene.changes, ['+a@1 +b@1 +c@1']);
    assert.equal(scene.subscriber.state().isSynced, true);
    scene.changes.length = 0;
    scene.controller.publish(address('a'), address('b', '2'));
    await scene.controller.restartServer();
    await scene.hasInForce({ a: '1', b: '2' });
    assert.deepEqual(scene.changes.filter((change) => change !== '').sort(), ['+b@2 -c']);
  });
});
