import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeNodeEndpoints } from '../../agent/enforcement/decode.ts';
import { decodeTakers } from '../../agent/enforcement/decode-services.ts';
import { decodeSlot } from '../../agent/slots/decode-slot.ts';
import { type KubeObject, refOf, type Service } from '../../kube/index.ts';
import { VIEWS } from '../../kube/object.ts';
import { PolicyEngine } from '../../policy/index.ts';
import { endpointSliceObject, serviceObject } from '../../testkit/kube-objects.ts';
import { withoutEnvoys } from '../../testkit/without-envoys.ts';
import {
  CLUSTER_TYPE,
  ENDPOINT_SLICE_TYPE,
  NODE_ENDPOINTS_TYPE,
  NODE_SCOPE_TYPE,
  SERVICE_TYPE,
  SLOT_TYPE,
  SnapshotCache,
} from '../../xds-server/serve/index.ts';
import { IdentityRegistry } from '../identities/identity-registry.ts';
import { Enforcement } from './enforcement.ts';

const NODE = VIEWS['v1/Node'].parse({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'north' } },
  spec: { podCIDRs: ['10.244.0.0/24'] },
});

const service = (name: string, address: string) => serviceObject({ clusterIPs: [address], ports: [{ port: 80 }] }, { name });
const slice = (of: string, name: string, ...addresses: readonly string[]) =>
  endpointSliceObject(
    { ports: [{ port: 8080 }], endpoints: addresses.map((address) => ({ addresses: [address] })) },
    { name, labels: { 'kubernetes.io/service-name': of } },
  );

const SLOT = 'service/a';
const CLUSTER = { typeUrl: CLUSTER_TYPE, name: 'default/shop/web' };
const SOURCE = { object: { kind: 'CiliumEnvoyConfig', namespace: 'default', name: 'shop' }, path: ['spec', 'resources', 0] };

const inZone = (zone: string) => ({ matchLabels: { 'topology.kubernetes.io/zone': zone } });

class Scene {
  readonly cache = new SnapshotCache();
  readonly #changed: string[] = [];
  readonly #enforcement: Enforcement;

  constructor(services: boolean, controllerService?: { readonly namespace: string; readonly name: string }) {
    const registry = new IdentityRegistry({ now: () => 0 });
    this.#enforcement = new Enforcement({
      engine: new PolicyEngine({ allocator: registry }),
      registry,
      cache: this.cache,
      services,
      ...(controllerService && { controllerService }),
      ...withoutEnvoys,
    });
    this.cache.watch(({ names }) => this.#changed.push(...names.map(({ typeUrl, name }) => `${typeUrl.split('.').at(-1)} ${name}`)));
  }

  /** @returns what nodes are told of */
  take(upserts: readonly KubeObject[], removals: readonly KubeObject[] = []): readonly string[] {
    this.#changed.length = 0;
    this.#enforcement.take({ upserts, removals: removals.map(refOf) });
    return this.#changed.toSorted();
  }

  /** Has ports of `web` led to a slot, or to none. @returns what nodes are told of */
  lead(
    ports: readonly number[],
    object: Service | undefined,
    slots: { readonly come?: true; readonly gone?: true; readonly zone?: string } = {},
  ): readonly string[] {
    this.#changed.length = 0;
    const listener = {
      name: 'default/shop/front',
      body: new Uint8Array([1]),
      asksClients: true,
      sendsAsAsked: false,
      requires: [CLUSTER],
      source: SOURCE,
    };
    this.#enforcement.takeListeners({
      listeners: slots.come ? [{ slot: SLOT, listener }] : [],
      gone: slots.gone ? [SLOT] : [],
      services: [{ name: 'default/web', takers: ports.map((port) => [port, SLOT] as const), ...(object && { service: object }) }],
      scopes:
        slots.zone === undefined ? [] : [{ config: 'shop', scope: { resources: [], slots: [SLOT], nodeSelector: inZone(slots.zone) } }],
    });
    return this.#changed.toSorted();
  }

  takers(): readonly (readonly [number, string])[] {
    const found = this.cache.get({ typeUrl: SERVICE_TYPE, name: 'default/web' });
    return found ? [...decodeTakers('default/web', found.body)] : [];
  }

  close(): void {
    this.#enforcement.close();
  }

  clients() {
    const found = this.cache.get({ typeUrl: NODE_ENDPOINTS_TYPE, name: 'n1' });
    assert.ok(found, 'nothing of the node');
    return decodeNodeEndpoints('n1', found.body).serviceClients;
  }
}

describe('Services that nodes are told of', () => {
  test('are told of by what changes, and nothing else', () => {
    const scene = new Scene(true);
    scene.take([NODE, service('web', '10.96.0.10'), slice('web', 'web-1', '10.244.0.5'), slice('web', 'web-2')]);
    assert.deepEqual(scene.take([slice('web', 'web-2', '10.244.0.6')]), ['EndpointSlice default/web-2']);
    assert.deepEqual(scene.take([service('web', '10.96.0.11')]), ['Service default/web']);
    assert.deepEqual(scene.take([service('web', '10.96.0.11'), slice('web', 'web-2', '10.244.0.6')]), []);
    assert.deepEqual(scene.take([], [slice('web', 'web-1')]), ['EndpointSlice default/web-1']);
    assert.deepEqual(scene.take([], [service('web', '')]), ['Service default/web']);
  });

  test('are withdrawn when they become headless or another is to serve them, and told of again after that', () => {
    const scene = new Scene(true);
    scene.take([service('web', '10.96.0.10')]);
    assert.deepEqual(scene.take([service('web', 'None')]), ['Service default/web']);
    assert.equal(scene.cache.ofType(SERVICE_TYPE).size, 0);
    assert.deepEqual(scene.take([service('other', 'None')]), []);
    assert.deepEqual(scene.take([service('web', '10.96.0.10')]), ['Service default/web']);
  });

  test('come with the zone of each node and the networks of its pods, which follow the Node', () => {
    const scene = new Scene(true);
    scene.take([NODE]);
    assert.deepEqual(scene.clients(), { zone: 'north', podNetworks: ['10.244.0.0/24'], slotsElsewhere: [] });
    scene.take([{ ...NODE, metadata: { ...NODE.metadata, labels: {} }, spec: { podCIDRs: [] } }]);
    assert.deepEqual(scene.clients(), { podNetworks: [], slotsElsewhere: [] });
  });

  test('are never that by which nodes reach controllers', () => {
    const scene = new Scene(true, { namespace: 'default', name: 'controllers' });
    scene.take([NODE]);
    const others = [service('web', '10.96.0.10'), slice('web', 'controllers', '10.244.0.5')];
    const told = scene.take([service('controllers', '10.96.0.9'), slice('controllers', 'a', '10.244.0.4'), ...others]);
    assert.deepEqual(told, ['EndpointSlice default/controllers', 'Service default/web']);
    assert.deepEqual(scene.take([service('controllers', '10.96.0.8'), slice('controllers', 'a')]), []);
  });

  test('are left to others where they are switched off', () => {
    const scene = new Scene(false);
    scene.take([NODE, service('web', '10.96.0.10'), slice('web', 'web-1', '10.244.0.5')]);
    assert.deepEqual(
      [SERVICE_TYPE, ENDPOINT_SLICE_TYPE].map((typeUrl) => scene.cache.ofType(typeUrl).size),
      [0, 0],
    );
    assert.equal(scene.clients(), undefined);
  });
});

describe('Services that are led to listeners', () => {
  const web = service('web', '10.96.0.10');

  test('are told of with the slots that have their ports, whenever they change', () => {
    const scene = new Scene(true);
    scene.take([web]);
    assert.deepEqual(scene.lead([80], web, { come: true }), ['Service default/web', `Slot ${SLOT}`]);
    assert.deepEqual(scene.takers(), [[80, SLOT]]);
    const slot = scene.cache.get({ typeUrl: SLOT_TYPE, name: SLOT });
    const { direction, requires, listener } = (slot && decodeSlot(slot)) ?? {};
    assert.deepEqual([direction, requires?.map(({ name }) => name), listener], ['service', [CLUSTER.name], new Uint8Array([1])]);
    assert.deepEqual(scene.take([service('web', '10.96.0.11')]), ['Service default/web']);
    assert.deepEqual(scene.takers(), [[80, SLOT]]);
    assert.deepEqual(scene.lead([], web, { gone: true }), ['Service default/web', `Slot ${SLOT}`]);
    assert.deepEqual(scene.takers(), []);
    assert.equal(scene.cache.get({ typeUrl: SLOT_TYPE, name: SLOT }), undefined);
  });

  test('are another node’s to lead where their config is for others, which the node is told', () => {
    const scene = new Scene(true);
    scene.take([NODE, web]);
    const told = scene.lead([80], web, { come: true, zone: 'south' });
    assert.deepEqual(told.slice(1), ['NodeEndpoints n1', 'Service default/web', `Slot ${SLOT}`]);
    assert.deepEqual(scene.clients()?.slotsElsewhere, [SLOT]);
    scene.take([{ ...NODE, metadata: { ...NODE.metadata, labels: inZone('south').matchLabels } }]);
    assert.deepEqual([scene.clients()?.slotsElsewhere, scene.cache.ofType(NODE_SCOPE_TYPE).size], [[], 1]);
    scene.take([NODE]);
    assert.deepEqual(scene.clients()?.slotsElsewhere, [SLOT]);
    scene.lead([80], web, { zone: 'north' });
    assert.deepEqual(scene.clients()?.slotsElsewhere, []);
    scene.close();
  });

  test('may be gone', () => {
    const scene = new Scene(true);
    scene.take([web]);
    scene.lead([80], web, { come: true });
    scene.take([], [web]);
    assert.deepEqual(scene.lead([], undefined), []);
    assert.deepEqual(scene.take([web]), ['Service default/web']);
    assert.deepEqual(scene.takers(), []);
  });

  test('are none where nodes are told of no Services', () => {
    assert.deepEqual(new Scene(false).lead([80], web, { come: true }), []);
  });
});
