import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import { RelayScene } from '../../testkit/xds/relay-scene.ts';
import {
  ADDRESS_TYPE,
  IDENTITY_TYPE,
  NODE_ENDPOINTS_TYPE,
  NODE_METHODS,
  type ResourceChange,
  SUBJECT_POLICY_TYPE,
} from '../serve/index.ts';
import { ENFORCER, Subscriber, type SubscriberEvent } from './index.ts';

const address = (name: string, version = '1') => modelResource(ADDRESS_TYPE, name, version);

/** A controller, a relay of it, and an enforcer that keeps what it is told in a map. */
class Scene implements AsyncDisposable {
  readonly relayed: RelayScene;
  readonly events: SubscriberEvent[] = [];
  readonly changes: string[] = [];
  /** Names that the enforcer refuses. */
  readonly refused = new Set<string>();
  inForce = new Map<string, string>();
  subscriber: Subscriber;
  syncedCount = 0;
  /** What applying waits for. */
  gate: Promise<void> = Promise.resolve();

  private constructor(relayed: RelayScene) {
    this.relayed = relayed;
    this.subscriber = this.#make();
  }

  static async open(): Promise<Scene> {
    const relayed = await RelayScene.open({ client: ENFORCER }, { methods: NODE_METHODS });
    relayed.relay.setOwn({ upserts: [], removals: [] });
    return new Scene(relayed);
  }

  get controller() {
    return this.relayed.controller;
  }

  start(): void {
    this.subscriber.start();
  }

  /** Another process of the enforcer, which knows nothing. */
  async restart(): Promise<void> {
    await this.subscriber.close();
    this.inForce = new Map();
    this.subscriber = this.#make();
    this.subscriber.start();
  }

  hasInForce(expected: Record<string, string>): Promise<void> {
    return eventually(() => assert.deepEqual(Object.fromEntries(this.inForce), expected));
  }

  isKnownAs(version: string, kind: string): Promise<void> {
    return eventually(() => assert.equal(this.controller.server.standing({ typeUrl: ADDRESS_TYPE, name: 'a' }, version).kind, kind));
  }

  #make(): Subscriber {
    const upstream = {
      target: `unix:${this.relayed.socket}`,
      credentials: credentials.createInsecure(),
      backOff: { firstMs: 20, maxMs: 100 },
    };
    return new Subscriber({
      upstream,
      kind: ENFORCER,
      nodeId: 'node-0',
      apply: (change) => this.#apply(change),
      onSynced: () => this.syncedCount++,
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
    await this.relayed[Symbol.asyncDispose]();
  }
}

describe('a subscriber of a relay', () => {
  test('puts in force what comes, changes and goes, and says once when it has everything', async () => {
    await using scene = await Scene.open();
    const policy = modelResource(SUBJECT_POLICY_TYPE, 'p', '1');
    const endpoints = modelResource(NODE_ENDPOINTS_TYPE, 'n', '1', [{ typeUrl: SUBJECT_POLICY_TYPE, name: 'p' }]);
    scene.controller.publish(address('a'), modelResource(IDENTITY_TYPE, 'i', '1'), policy, endpoints);
    assert.equal(scene.subscriber.state().isSynced, false);
    scene.start();
    await scene.hasInForce({ a: '1', i: '1', p: '1', n: '1' });
    await eventually(() => assert.equal(scene.syncedCount, 1));
    assert.equal(scene.changes.filter((change) => change !== '').at(-1), '+n@1', 'endpoints are last');
    scene.controller.publish(address('a', '2'), address('b'));
    await scene.hasInForce({ a: '2', b: '1' });
    assert.equal(scene.syncedCount, 1);
    assert.equal(scene.subscriber.state().isSynced, true);
    assert.deepEqual(new Set(scene.events.map(({ kind }) => kind)), new Set(['connected']));
  });

  test('the controller is answered only when a change is in force', async () => {
    await using scene = await Scene.open();
    scene.controller.publish(address('a'));
    scene.start();
    await scene.isKnownAs('1', 'accepted');
    const gate = Promise.withResolvers<void>();
    scene.gate = gate.promise;
    scene.controller.publish(address('a', '2'));
    await scene.isKnownAs('2', 'pending');
    assert.deepEqual(Object.fromEntries(scene.inForce), { a: '1' });
    gate.resolve();
    await scene.isKnownAs('2', 'accepted');
  });

  test('what is refused is told of by name, its neighbours are in force, and what was before stands', async () => {
    await using scene = await Scene.open();
    scene.controller.publish(address('a'), address('b'));
    scene.start();
    await scene.hasInForce({ a: '1', b: '1' });
    await scene.isKnownAs('1', 'accepted');
    scene.refused.add('a');
    scene.controller.publish(address('a', '2'), address('b', '2'));
    await scene.hasInForce({ a: '1', b: '2' });
    await scene.isKnownAs('2', 'refused');
    const refused = scene.events.filter(({ kind }) => kind === 'refused');
    assert.deepEqual(refused, [{ kind: 'refused', typeUrl: ADDRESS_TYPE, name: 'a', message: 'not this one' }]);
  });

  test('has not everything as long as all of a type was refused', async () => {
    await using scene = await Scene.open();
    scene.refused.add('n');
    scene.controller.publish(address('a'), modelResource(NODE_ENDPOINTS_TYPE, 'n', '1'));
    scene.start();
    await eventually(() => assert.ok(scene.events.some(({ kind }) => kind === 'refused')));
    assert.equal(scene.subscriber.state().isSynced, false);
    scene.refused.clear();
    scene.controller.publish(address('a'), modelResource(NODE_ENDPOINTS_TYPE, 'n', '2'));
    await scene.hasInForce({ a: '1', n: '2' });
    await eventually(() => assert.equal(scene.syncedCount, 1));
    assert.equal(scene.subscriber.state().isSynced, true);
  });

  test('tells once of a relay that is away, however often it tries', async () => {
    await using scene = await Scene.open();
    scene.controller.publish(address('a'));
    scene.start();
    await scene.hasInForce({ a: '1' });
    await scene.relayed.relay.close(0);
    const triedAt = () => Number(scene.subscriber.state().lastError?.at ?? 0);
    await eventually(() => assert.ok(triedAt() > 0));
    const first = triedAt();
    const told = () => scene.events.flatMap((event) => (event.kind === 'disconnected' ? [event.message] : []));
    await eventually(() => assert.ok(triedAt() > first + 300, 'several attempts later'));
    assert.deepEqual(told(), [...new Set(told())]);
    assert.ok(told().length > 0);
  });

  test('what cannot be applied at all is refused whole', async () => {
    await using scene = await Scene.open();
    scene.controller.publish(address('z'));
    scene.start();
    await scene.hasInForce({ z: '1' });
    scene.refused.add('everything');
    scene.controller.publish(address('z'), address('a'), address('b'));
    await eventually(() => {
      const names = scene.events.flatMap((event) => (event.kind === 'refused' ? [event.name] : []));
      assert.deepEqual(new Set(names), new Set(['a', 'b']));
    });
  });

  test('without a controller, and after a restart of both processes of the node, everything is in force again', async () => {
    await using scene = await Scene.open();
    scene.controller.publish(address('a'), address('b'), address('c'));
    scene.start();
    await scene.hasInForce({ a: '1', b: '1', c: '1' });
    await scene.isKnownAs('1', 'accepted');
    await scene.relayed.store.flush();
    await scene.controller.server.close(0);
    await scene.relayed.restartRelay();
    await scene.restart();
    await scene.hasInForce({ a: '1', b: '1', c: '1' });
    scene.changes.length = 0;
    scene.controller.publish(address('a'), address('b', '2'));
    await scene.controller.restartServer();
    await scene.hasInForce({ a: '1', b: '2' });
    const words = scene.changes.flatMap((change) => change.split(' ')).filter((word) => word !== '');
    assert.deepEqual(words.sort(), ['+b@2', '-c'], 'only what differs is sent');
  });
});
