import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import type { DeltaDiscoveryResponse } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import { RedirectSchema, Slot_Direction, SlotSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { eventually } from '../../testkit/eventually.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import type { DeltaPeer } from '../../testkit/xds/scripted-peer.ts';
import { XdsScene } from '../../testkit/xds/xds-scene.ts';
import {
  CLUSTER_TYPE,
  EXTENSION_CONFIG_TYPE,
  LISTENER_TYPE,
  NODE_METHODS,
  NODE_PATH,
  REDIRECT_TYPE,
  type Resource,
  SLOT_TYPE,
  SnapshotCache,
  SUBJECT_POLICY_TYPE,
} from '../../xds-server/serve/index.ts';
import { NodeSlots } from './node-slots.ts';
import { PROXY_PORTS, ProxyPorts } from './proxy-ports.ts';

const FILTER = modelResource(EXTENSION_CONFIG_TYPE, 'http/ingress/a', '1');
const OTHER = modelResource(EXTENSION_CONFIG_TYPE, 'other', '1');
const LISTENER = 'sluice.slot/http/ingress/a';

interface ServiceListener {
  readonly version?: string;
  readonly statPrefix?: string;
  /** That it needs. */
  readonly cluster?: string;
}

/** A listener that a Service is led to. */
function serviceSlot(name: string, { version = '1', statPrefix = '', cluster }: ServiceListener): Resource {
  const listener = toBinary(ListenerSchema, create(ListenerSchema, { statPrefix }));
  const requires = cluster === undefined ? [] : [{ typeUrl: CLUSTER_TYPE, name: cluster }];
  const body = toBinary(SlotSchema, create(SlotSchema, { direction: Slot_Direction.SERVICE, listener, requires }));
  return { typeUrl: SLOT_TYPE, name, version, body, requires: [] };
}

function slot(name: string, ofIngresses = false): Resource {
  const listener = toBinary(
    ListenerSchema,
    create(ListenerSchema, { statPrefix: 'slot', filterChains: [{ filters: [{ name: 'rules' }] }] }),
  );
  const requires = [{ typeUrl: EXTENSION_CONFIG_TYPE, name }];
  const body = toBinary(SlotSchema, create(SlotSchema, { direction: Slot_Direction.INGRESS, listener, requires, ofIngresses }));
  return { typeUrl: SLOT_TYPE, name, version: '1', body, requires: [] };
}

/** That serves Ingresses at a port. */
function listenerOfIngresses(name: string, portValue: number): Resource {
  const address = { address: { case: 'socketAddress', value: { portSpecifier: { case: 'portValue', value: portValue } } } } as const;
  const body = toBinary(
    ListenerSchema,
    create(ListenerSchema, { name, address, filterChains: [{ name: 'chain', filters: [{ name: 'serve' }] }] }),
  );
  return { typeUrl: LISTENER_TYPE, name, version: String(portValue), body, requires: [] };
}

function policy(version: string, slots: readonly string[]): Resource {
  return modelResource(
    SUBJECT_POLICY_TYPE,
    '1000',
    version,
    slots.map((name) => ({ typeUrl: SLOT_TYPE, name })),
  );
}

interface SceneOptions {
  readonly holdMs?: number;
  /** Whether the node is told of resources one after the other, as an agent is. */
  readonly isRelayed?: boolean;
  /** What Envoy says of a response; undefined: that it accepts it. */
  readonly refuses?: (response: DeltaDiscoveryResponse) => string | undefined;
}

/** A node with its Envoy and its enforcer, which do as they are told and write down in which order that was. */
class Scene implements AsyncDisposable {
  readonly told: string[] = [];
  readonly listening = new Set<number>();
  readonly failures: Error[] = [];
  readonly #options: SceneOptions;
  readonly #envoy: XdsScene;
  readonly #enforcer: XdsScene;
  readonly #ports: ProxyPorts;
  slots: NodeSlots;

  private constructor(options: SceneOptions, envoy: XdsScene, enforcer: XdsScene) {
    this.#options = options;
    this.#envoy = envoy;
    this.#enforcer = enforcer;
    this.#ports = ProxyPorts.open(envoy.folder.path, { listening: () => new Set() });
    this.slots = this.#make();
  }

  static async open(options: SceneOptions = {}): Promise<Scene> {
    const isHeld = (resource: Resource): boolean => scene?.slots.isHeld(resource) ?? false;
    let scene: Scene | undefined;
    const cache = new SnapshotCache({ partial: options.isRelayed === true });
    scene = new Scene(options, await XdsScene.open({ cache }), await XdsScene.open({ methods: NODE_METHODS, isHeld }));
    return scene;
  }

  publish({ filters, policies }: { readonly filters: readonly Resource[]; readonly policies: readonly Resource[] }): void {
    this.#envoy.cache.apply({ upserts: filters, removals: [] });
    const kept = [...this.#enforcer.cache.ofType(REDIRECT_TYPE).values()].map(({ resource }) => resource);
    this.#enforcer.cache.replace([...policies, ...kept]);
  }

  /** What Envoy is served under a name. */
  listener(name: string): Listener | undefined {
    const served = this.#envoy.cache.get({ typeUrl: LISTENER_TYPE, name });
    return served && fromBinary(ListenerSchema, served.body);
  }

  /** @param has listeners that it has from before */
  startEnvoy(has: readonly string[] = []): void {
    const peer = this.#envoy.delta();
    const initialResourceVersions = Object.fromEntries(has.map((name) => [name, 'before']));
    peer.say({ node: { id: 'node' }, typeUrl: LISTENER_TYPE, resourceNamesSubscribe: ['*'], initialResourceVersions });
    peer.say({ typeUrl: CLUSTER_TYPE, resourceNamesSubscribe: ['*'] });
    peer.say({ typeUrl: EXTENSION_CONFIG_TYPE, resourceNamesSubscribe: [FILTER.name] });
    void this.#follow(peer, 'envoy');
  }

  startEnforcer(): void {
    const peer = this.#enforcer.delta(NODE_PATH);
    peer.say({ node: { id: 'node' }, typeUrl: REDIRECT_TYPE, resourceNamesSubscribe: ['*'] });
    for (const typeUrl of [SLOT_TYPE, SUBJECT_POLICY_TYPE]) peer.say({ typeUrl, resourceNamesSubscribe: ['*'] });
    void this.#follow(peer, 'enforcer');
  }

  async isTold(expected: string): Promise<void> {
    await eventually(() => assert.ok(this.told.includes(expected), this.told.join('\n')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.slots[Symbol.dispose]();
    await this.#envoy[Symbol.asyncDispose]();
    await this.#enforcer[Symbol.asyncDispose]();
  }

  #make(): NodeSlots {
    const { holdMs = 60_000 } = this.#options;
    const sideOf = ({ cache, server }: XdsScene) => ({ cache, server, setOwn: cache.apply.bind(cache) });
    return new NodeSlots({
      envoy: sideOf(this.#envoy),
      enforcer: sideOf(this.#enforcer),
      ports: this.#ports,
      listening: () => this.listening,
      holdMs,
      onFailure: (error) => this.failures.push(error),
    });
  }

  async #follow(peer: DeltaPeer, who: string): Promise<void> {
    for (;;) {
      const response = await peer.next();
      const type = response.typeUrl.slice(response.typeUrl.lastIndexOf('.') + 1);
      const refusal = who === 'envoy' ? this.#options.refuses?.(response) : undefined;
      for (const { name, resource } of response.resources) {
        const ready = type === 'Redirect' && resource ? fromBinary(RedirectSchema, resource.value).ready : undefined;
        this.told.push(`${who} ${refusal === undefined ? '+' : '!'}${type} ${name}${ready === undefined ? '' : ` ready ${ready}`}`);
      }
      for (const name of response.removedResources) this.told.push(`${who} -${type} ${name}`);
      if (refusal === undefined) peer.ack(response);
      else peer.nack(response, refusal);
    }
  }
}

const withSlot = { filters: [FILTER], policies: [slot(FILTER.name), policy('1', [FILTER.name])] };

test('a policy follows the redirect, which follows the listener', async () => {
  await using scene = await Scene.open();
  scene.startEnforcer();
  scene.publish({ filters: [OTHER], policies: [policy('0', [])] });
  await scene.isTold('enforcer +SubjectPolicy 1000');
  scene.told.length = 0;
  scene.publish(withSlot);
  await scene.isTold(`enforcer +Redirect ${FILTER.name} ready false`);
  scene.startEnvoy();
  await scene.isTold(`envoy +Listener ${LISTENER}`);
  assert.deepEqual(scene.slots.state(), [{ name: FILTER.name, port: PROXY_PORTS.first, isReady: false }]);
  assert.ok(!scene.told.includes('enforcer +SubjectPolicy 1000'), 'Envoy has it, but does not listen yet');
  scene.listening.add(PROXY_PORTS.first);
  await scene.isTold('enforcer +SubjectPolicy 1000');
  const order = scene.told.filter((line) => /Listener|ready true|SubjectPolicy/.test(line));
  assert.deepEqual(order, [`envoy +Listener ${LISTENER}`, `enforcer +Redirect ${FILTER.name} ready true`, 'enforcer +SubjectPolicy 1000']);
});

test('no Service is led to a listener whose clusters Envoy has not', async () => {
  await using scene = await Scene.open({
    isRelayed: true,
    refuses: ({ resources }) => (resources.some(({ version }) => version === 'bad') ? 'no' : undefined),
  });
  scene.startEnforcer();
  scene.startEnvoy();
  scene.listening.add(PROXY_PORTS.first);
  const name = 'service/front';
  const policies = [serviceSlot(name, { cluster: 'default/shop/web' }), policy('0', [])];
  scene.publish({ filters: [OTHER], policies });
  await scene.isTold(`envoy +Listener sluice.slot/${name}`);
  const readiness = async () => {
    // Long enough for its answer to have been looked at.
    for (let turns = 0; turns < 30; turns++) {
      scene.slots.review();
      await sleep(10);
    }
    return scene.slots.state().map(({ isReady }) => isReady);
  };
  assert.deepEqual(await readiness(), [false]);
  scene.publish({ filters: [modelResource(CLUSTER_TYPE, 'default/shop/web', 'bad')], policies });
  await scene.isTold('envoy !Cluster default/shop/web');
  assert.deepEqual(await readiness(), [false]);
  scene.publish({ filters: [modelResource(CLUSTER_TYPE, 'default/shop/web', 'good')], policies });
  await scene.isTold(`enforcer +Redirect ${name} ready true`);
  const told = scene.told.filter((line) => /Cluster|ready/.test(line));
  assert.deepEqual(told.slice(-2), ['envoy +Cluster default/shop/web', `enforcer +Redirect ${name} ready true`]);
});

test('what comes to Ingresses is served by all of their listeners, with the rules before, as they come and change', async () => {
  await using scene = await Scene.open();
  const name = 'sluice.slot/http/ingress/ingresses';
  const filters = [FILTER, listenerOfIngresses('insecure', 80), listenerOfIngresses('sluice.scopes', 1)];
  scene.publish({ filters, policies: [slot('http/ingress/ingresses', true), slot(FILTER.name), policy('1', [FILTER.name])] });
  const chains = () =>
    scene
      .listener(name)
      ?.filterChains.map(({ name, filterChainMatch, filters }) => [
        name,
        filterChainMatch?.destinationPort,
        filters.map((each) => each.name),
      ]);
  const insecure = ['insecure/chain', 80, ['rules', 'serve']];
  await eventually(() => assert.deepEqual(chains(), [insecure]));
  const other = scene.listener(LISTENER);
  assert.deepEqual(other?.filterChains.length, 1);
  scene.publish({ filters: [listenerOfIngresses('secure', 443)], policies: [slot('http/ingress/ingresses', true), slot(FILTER.name)] });
  await eventually(() => assert.deepEqual(chains(), [insecure, ['secure/chain', 443, ['rules', 'serve']]]));
  assert.deepEqual(scene.listener(LISTENER), other);
});

test('before there are Ingresses, what would come to them is served by nobody', async () => {
  await using scene = await Scene.open();
  scene.publish({ filters: [], policies: [slot('http/ingress/ingresses', true)] });
  const filters = () =>
    scene.listener('sluice.slot/http/ingress/ingresses')?.filterChains.flatMap((chain) => chain.filters.map((each) => each.name));
  await eventually(() => assert.deepEqual(filters(), ['envoy.filters.network.direct_response']));
});

test('removal runs the other way round', async () => {
  await using scene = await Scene.open();
  scene.listening.add(PROXY_PORTS.first);
  scene.startEnforcer();
  scene.startEnvoy();
  scene.publish(withSlot);
  await scene.isTold('enforcer +SubjectPolicy 1000');
  scene.told.length = 0;
  scene.publish({ filters: [], policies: [policy('2', [])] });
  await scene.isTold(`envoy -Listener ${LISTENER}`);
  const order = scene.told.filter((line) => /Listener|Redirect|SubjectPolicy/.test(line));
  assert.deepEqual(order, ['enforcer +SubjectPolicy 1000', `enforcer -Redirect ${FILTER.name}`, `envoy -Listener ${LISTENER}`]);
  assert.deepEqual(scene.slots.state(), []);
});

test('policies do not wait for ever: without Envoy they go out, and nothing is ready', async () => {
  await using scene = await Scene.open({ holdMs: 50 });
  scene.startEnforcer();
  scene.publish(withSlot);
  await scene.isTold('enforcer +SubjectPolicy 1000');
  assert.ok(scene.told.includes(`enforcer +Redirect ${FILTER.name} ready false`));
  assert.ok(!scene.told.includes(`enforcer +Redirect ${FILTER.name} ready true`));
});

test('a listener that Envoy refuses is told of, and its slot is never ready', async () => {
  await using scene = await Scene.open({ holdMs: 50, refuses: ({ typeUrl }) => (typeUrl === LISTENER_TYPE ? 'it is wrong' : undefined) });
  scene.listening.add(PROXY_PORTS.first);
  scene.startEnforcer();
  scene.startEnvoy();
  scene.publish(withSlot);
  await scene.isTold('enforcer +SubjectPolicy 1000');
  await eventually(() => {
    const [state] = scene.slots.state();
    assert.deepEqual([state?.isReady, state?.refusal], [false, 'it is wrong']);
  });
  const told = scene.failures.map(({ message }) => message);
  assert.deepEqual(told, [`Envoy refuses the listener of ${FILTER.name}, so what its rules decide of is dropped: it is wrong`]);
});

test('a slot whose port somebody else has by now gets another', async () => {
  const taken = PROXY_PORTS.first;
  const portOf = (body: Uint8Array | undefined) => {
    const address = body && fromBinary(ListenerSchema, body).address?.address;
    return address?.case === 'socketAddress' && address.value.portSpecifier.case === 'portValue' ? address.value.portSpecifier.value : 0;
  };
  const refuses = ({ typeUrl, resources }: DeltaDiscoveryResponse) =>
    typeUrl === LISTENER_TYPE && portOf(resources[0]?.resource?.value) === taken
      ? `Error adding/updating listener(s) ${LISTENER}: cannot bind '0.0.0.0:${taken}': Address already in use`
      : undefined;
  await using scene = await Scene.open({ refuses });
  scene.listening.add(taken);
  scene.startEnforcer();
  scene.startEnvoy();
  scene.publish(withSlot);
  await scene.isTold(`envoy +Listener ${LISTENER}`);
  assert.deepEqual(scene.slots.state(), [{ name: FILTER.name, port: taken + 1, isReady: false }]);
  scene.listening.add(taken + 1);
  await scene.isTold('enforcer +SubjectPolicy 1000');
  assert.deepEqual(scene.slots.state(), [{ name: FILTER.name, port: taken + 1, isReady: true }]);
  const told = scene.failures.map(({ message }) => message);
  assert.deepEqual(told, [
    `somebody else listens on port ${taken}, which was that of ${FILTER.name}: it has port ${taken + 1} from now on`,
  ]);
});

test('nothing is said of redirects before policies are known', async () => {
  await using scene = await Scene.open();
  scene.startEnforcer();
  scene.startEnvoy(['sluice.slot/http/ingress/before']);
  scene.slots.review();
  scene.publish({ filters: [OTHER], policies: [policy('1', [])] });
  await scene.isTold('enforcer +SubjectPolicy 1000');
  assert.deepEqual(
    scene.told.filter((line) => line.includes('Redirect')),
    [],
  );
});

test('which version of a listener for a Service Envoy has is said once it listens, and which one it refuses', async () => {
  const named = 'service/abc';
  await using scene = await Scene.open({
    refuses: ({ resources }) =>
      resources.some(({ name, resource }) => name.endsWith(named) && Buffer.from(resource?.value ?? []).includes('bad')) ? 'no' : undefined,
  });
  scene.startEnforcer();
  scene.startEnvoy();
  const holdings = () => {
    const { accepted, refused } = scene.slots.holdings();
    return { accepted: Object.fromEntries(accepted), refused: Object.fromEntries(refused) };
  };
  const publish = (version: string, statPrefix: string) =>
    scene.publish({
      filters: [FILTER],
      policies: [serviceSlot(named, { version, statPrefix }), slot(FILTER.name), policy('1', [FILTER.name])],
    });
  publish('1', 'good');
  await scene.isTold(`envoy +Listener sluice.slot/${named}`);
  const nothing = { accepted: {}, refused: {} };
  assert.deepEqual(holdings(), nothing, 'it does not listen yet');
  scene.listening.add(PROXY_PORTS.first).add(PROXY_PORTS.first + 1);
  const has = (version: string) => eventually(() => assert.deepEqual(holdings(), { accepted: { [named]: version }, refused: {} }));
  await has('1');
  publish('2', 'better');
  await has('2');
  publish('3', 'bad');
  await eventually(() => assert.deepEqual(holdings(), { accepted: {}, refused: { [named]: { version: '3', message: 'no' } } }));
  publish('4', 'good again');
  await has('4');
});
