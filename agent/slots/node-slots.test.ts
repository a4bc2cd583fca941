import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import type { DeltaDiscoveryResponse } from '@sluice/envoy-protos/envoy/service/discovery/v3/discovery_pb.js';
import { Slot_Direction, SlotSchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { eventually } from '../../testkit/eventually.ts';
import { SlotsScene } from '../../testkit/slots-scene.ts';
import { modelResource } from '../../testkit/xds/model-resources.ts';
import {
  CLUSTER_TYPE,
  EXTENSION_CONFIG_TYPE,
  LISTENER_TYPE,
  type Resource,
  SLOT_TYPE,
  SUBJECT_POLICY_TYPE,
} from '../../xds-server/serve/index.ts';
import { PROXY_PORTS } from './proxy-ports.ts';

const FILTER = modelResource(EXTENSION_CONFIG_TYPE, 'http/ingress/a', '1');
const OTHER = modelResource(EXTENSION_CONFIG_TYPE, 'other', '1');
const FILTERS = [FILTER.name];
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

const withSlot = { filters: [FILTER], policies: [slot(FILTER.name), policy('1', [FILTER.name])] };

test('a policy follows the redirect, which follows the listener', async () => {
  await using scene = await SlotsScene.open({ filters: FILTERS });
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
  await using scene = await SlotsScene.open({
    filters: FILTERS,
    isRelayed: true,
    refuses: ({ resources }) => (resources.some(({ version }) => version === 'bad') ? 'no' : undefined),
  });
  scene.startEnforcer();
  scene.startEnvoy();
  scene.listening.add(PROXY_PORTS.first);
  const name = 'service/front';
  const policies = [serviceSlot(name, { cluster: 'default/shop/web' }), policy('0', [])];
  scene.publish({ filters: [OTHER], policies });
  await scene.isTold(`enforcer +Redirect ${name} ready false`);
  const readiness = async () => {
    // Long enough for its answer to have been looked at.
    for (let turns = 0; turns < 30; turns++) {
      scene.slots.review();
      await sleep(10);
    }
    return scene.slots.state().map(({ isReady }) => isReady);
  };
  assert.deepEqual(await readiness(), [false]);
  // It would refuse routes to a cluster of which it was not told.
  assert.equal(scene.listener(`sluice.slot/${name}`), undefined);
  scene.publish({ filters: [modelResource(CLUSTER_TYPE, 'default/shop/web', 'bad')], policies });
  await scene.isTold('envoy !Cluster default/shop/web');
  await scene.isTold(`envoy +Listener sluice.slot/${name}`);
  assert.deepEqual(await readiness(), [false]);
  scene.publish({ filters: [modelResource(CLUSTER_TYPE, 'default/shop/web', 'good')], policies });
  await scene.isTold(`enforcer +Redirect ${name} ready true`);
  const told = scene.told.filter((line) => /Cluster|ready/.test(line));
  assert.deepEqual(told.slice(-2), ['envoy +Cluster default/shop/web', `enforcer +Redirect ${name} ready true`]);
});

test('a listener that needs another cluster stays what it was until Envoy is told of that', async () => {
  const name = 'service/front';
  await using scene = await SlotsScene.open({ filters: FILTERS, isRelayed: true });
  scene.startEnforcer();
  scene.startEnvoy([`sluice.slot/${name}`]);
  scene.listening.add(PROXY_PORTS.first);
  const clusters = ['a', 'b'].map((cluster) => modelResource(CLUSTER_TYPE, cluster, '1'));
  const publish = (cluster: string, filters: readonly Resource[]) =>
    scene.publish({ filters, policies: [serviceSlot(name, { version: cluster, statPrefix: cluster, cluster }), policy('0', [])] });
  const served = () => scene.listener(`sluice.slot/${name}`)?.statPrefix;
  publish('a', [OTHER]);
  await scene.isTold('enforcer +SubjectPolicy 1000');
  await scene.isTold(`enforcer +Redirect ${name} ready false`);
  publish('a', clusters.slice(0, 1));
  await scene.isTold(`enforcer +Redirect ${name} ready true`);
  publish('b', []);
  await eventually(() => assert.deepEqual([...scene.slots.holdings().accepted], []));
  assert.equal(served(), 'a');
  publish('b', clusters);
  await eventually(() => assert.deepEqual([...scene.slots.holdings().accepted], [[name, 'b']]));
  assert.equal(served(), 'b');
  assert.ok(!scene.told.includes(`envoy -Listener sluice.slot/${name}`), 'what Envoy had from before is not taken away meanwhile');
});

test('what comes to Ingresses is served by all of their listeners, with the rules before, as they come and change', async () => {
  await using scene = await SlotsScene.open({ filters: FILTERS });
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
  await using scene = await SlotsScene.open({ filters: FILTERS });
  scene.publish({ filters: [], policies: [slot('http/ingress/ingresses', true)] });
  const filters = () =>
    scene.listener('sluice.slot/http/ingress/ingresses')?.filterChains.flatMap((chain) => chain.filters.map((each) => each.name));
  await eventually(() => assert.deepEqual(filters(), ['envoy.filters.network.direct_response']));
});

test('removal runs the other way round', async () => {
  await using scene = await SlotsScene.open({ filters: FILTERS });
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
  await using scene = await SlotsScene.open({ filters: FILTERS, holdMs: 50 });
  scene.startEnforcer();
  scene.publish(withSlot);
  await scene.isTold('enforcer +SubjectPolicy 1000');
  assert.ok(scene.told.includes(`enforcer +Redirect ${FILTER.name} ready false`));
  assert.ok(!scene.told.includes(`enforcer +Redirect ${FILTER.name} ready true`));
});

test('a listener that Envoy refuses is told of, and its slot is never ready', async () => {
  await using scene = await SlotsScene.open({
    filters: FILTERS,
    holdMs: 50,
    refuses: ({ typeUrl }) => (typeUrl === LISTENER_TYPE ? 'it is wrong' : undefined),
  });
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
  await using scene = await SlotsScene.open({ filters: FILTERS, refuses });
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
  await using scene = await SlotsScene.open({ filters: FILTERS });
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
  await using scene = await SlotsScene.open({
    filters: FILTERS,
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
