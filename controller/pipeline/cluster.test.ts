import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Placement } from '../../ingress-controller/index.ts';
import { type Action, type KubeObject, refOf, validateObject } from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';
import { DEFAULT_SETTINGS } from '../../settings/index.ts';
import { PORTS } from '../../testkit/ingress-world.ts';
import { Pipeline } from './pipeline.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 100);
const PLACEMENT: Placement = { kind: 'load-balancer', namespace: 'sluice-system' };
/** More than any history needs. */
const MAX_WRITES = 500;

type Raw = Record<string, unknown>;

function pipelineOf(placement = PLACEMENT): Pipeline {
  return new Pipeline({ settings: DEFAULT_SETTINGS, ports: PORTS, placement, asOf: new Date(0) });
}

/** As much of an API server as actions need: preconditions, merged labels, defaults, addresses, and garbage collection. */
class SimulatedApiServer {
  readonly objects = new Map<string, Raw>();
  readonly pipeline = pipelineOf();
  #created = 0;

  constructor() {
    this.pipeline.apply({ upserts: [], removals: [] });
  }

  create(raw: Raw): void {
    const metadata = {
      ...object(raw['metadata']),
      uid: `uid-${++this.#created}`,
      creationTimestamp: new Date(this.#created * 1000).toISOString(),
    };
    this.#store({ ...raw, metadata });
  }

  replace(raw: Raw): void {
    const present = this.objects.get(keyOf(raw));
    if (!present) {
      this.create(raw);
      return;
    }
    const { uid, creationTimestamp } = object(present['metadata']);
    this.#store({ ...present, ...raw, metadata: { ...object(raw['metadata']), uid, creationTimestamp } });
  }

  delete(key: string): void {
    const gone = this.objects.get(key);
    if (!gone) return;
    this.objects.delete(key);
    this.pipeline.apply({ upserts: [], removals: [refOf(viewOf(gone))] });
    const { uid } = object(gone['metadata']);
    for (const [other, raw] of this.objects) if (ownersOf(raw).includes(String(uid))) this.delete(other);
  }

  /** Carries an action out, unless what it was judged by is not so any more. */
  perform(action: Action): void {
    const key = objectKey(action.ref);
    const present = this.objects.get(key);
    if (action.uid !== (present && object(present['metadata'])['uid'])) return;
    if (action.kind === 'delete') {
      this.delete(key);
      return;
    }
    const { manifest } = action;
    if (!present) {
      this.create({ ...manifest, ...defaultsOf(manifest) });
      return;
    }
    const before = object(present['metadata']);
    const metadata = { ...before, ...manifest.metadata, labels: { ...object(before['labels']), ...object(manifest.metadata['labels']) } };
    this.#store({ ...present, ...manifest, ...defaultsOf(manifest), metadata });
  }

  #store(raw: Raw): void {
    this.objects.set(keyOf(raw), raw);
    this.pipeline.apply({ upserts: [viewOf(raw)], removals: [] });
  }
}

function object(value: unknown): Raw {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function viewOf(raw: Raw): KubeObject {
  const seen = validateObject(raw);
  assert.ok(seen.result === 'valid', JSON.stringify(seen));
  return seen.object;
}

function keyOf(raw: Raw): string {
  return objectKey(refOf(viewOf(raw)));
}

function ownersOf(raw: Raw): readonly string[] {
  const owners: unknown = object(raw['metadata'])['ownerReferences'];
  return Array.isArray(owners) ? owners.map((owner) => String(object(owner)['uid'])) : [];
}

/** What a load balancer and the API server fill in. */
function defaultsOf(manifest: Raw): Raw {
  if (manifest['kind'] !== 'Service') return {};
  const spec = object(manifest['spec']);
  const ports = Array.isArray(spec['ports'])
    ? spec['ports'].map((port: unknown) => ({ nodePort: 30_000, targetPort: 80, ...object(port) }))
    : [];
  const { name } = object(manifest['metadata']);
  const ingress = spec['type'] === 'LoadBalancer' ? [{ hostname: `${String(name)}.test`, ipMode: 'VIP' }] : [];
  return { spec: { clusterIP: '10.0.0.1', ...spec, ports }, status: { loadBalancer: { ingress } } };
}

const NAMES = ['a', 'b', 'c', 'd'];

function ingress(name: string, mode: string, className: string): Raw {
  const metadata = { name, namespace: 'shop', annotations: { 'ingress.cilium.io/loadbalancer-mode': mode } };
  const spec = { ingressClassName: className, defaultBackend: { service: { name: 'web', port: { number: 80 } } } };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata, spec };
}

function agents(addresses: readonly string[]): Raw {
  const metadata = { name: 'sluice-nodes-1', namespace: 'sluice-system', labels: { 'kubernetes.io/service-name': 'sluice-nodes' } };
  const endpoints = addresses.map((address) => ({ addresses: [address], nodeName: `node-${address}`, conditions: { ready: true } }));
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', metadata, endpoints, ports: [] };
}

/** Somebody's Service that has the name that Ingress `a` needs. */
const FOREIGN = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'cilium-ingress-a', namespace: 'shop' },
  spec: { ports: [{ port: 5432 }] },
};

const step = fc.oneof(
  fc.record({
    kind: fc.constant('ingress' as const),
    name: fc.constantFrom(...NAMES),
    mode: fc.constantFrom('dedicated', 'shared'),
    className: fc.constantFrom('cilium', 'cilium', 'other'),
  }),
  fc.record({ kind: fc.constant('delete' as const), name: fc.constantFrom(...NAMES) }),
  fc.record({ kind: fc.constant('agents' as const), addresses: fc.subarray(['192.0.2.1', '192.0.2.2', '192.0.2.3']) }),
  fc.record({ kind: fc.constant('write' as const), which: fc.nat(20), succeeds: fc.boolean() }),
);

test('actions in any order, with failures, end in a state that wants nothing, and nothing foreign is touched', () => {
  const property = fc.property(fc.array(step, { maxLength: 30 }), fc.boolean(), (steps, isTaken) => {
    const server = new SimulatedApiServer();
    if (isTaken) server.create(FOREIGN);
    const foreign = server.objects.get('Service/shop/cilium-ingress-a');
    for (const one of steps) {
      if (one.kind === 'ingress') server.replace(ingress(one.name, one.mode, one.className));
      else if (one.kind === 'delete') server.delete(`Ingress/shop/${one.name}`);
      else if (one.kind === 'agents') server.replace(agents(one.addresses));
      else performOne(server, one.which, one.succeeds);
    }
    for (let writes = 0; server.pipeline.model.actions.size > 0; writes++) {
      assert.ok(writes < MAX_WRITES, [...server.pipeline.model.actions.keys()].join());
      performOne(server, writes, true);
    }
    assert.equal(isTaken && server.objects.get('Service/shop/cilium-ingress-a') !== foreign, false);
    const ports = dedicatedPorts(server);
    assert.equal(new Set(ports).size, ports.length);
    const fresh = pipelineOf();
    fresh.apply({ upserts: [...server.objects.values()].map(viewOf).toReversed(), removals: [] });
    assert.deepEqual(fresh.resources(), server.pipeline.resources());
    assert.deepEqual(fresh.diagnostics(), server.pipeline.diagnostics());
    assert.equal(fresh.model.actions.size, 0);
  });
  fc.assert(property, { numRuns: RUNS });
});

test('two slices that name one port: it stays with the older, and the other moves', () => {
  const server = new SimulatedApiServer();
  for (const name of ['a', 'b']) server.create(ingress(name, 'dedicated', 'cilium'));
  settle(server);
  const [port] = dedicatedPorts(server);
  const slice = server.objects.get('EndpointSlice/shop/cilium-ingress-b');
  assert.ok(slice);
  const ports = ['http', 'https'].map((name) => ({ name, port, protocol: 'TCP' }));
  server.replace({ ...slice, ports });
  assert.deepEqual(dedicatedPorts(server), [port, port]);
  assert.deepEqual([...server.pipeline.model.actions.keys()], ['apply:EndpointSlice/shop/cilium-ingress-b']);
  settle(server);
  const [first, second] = dedicatedPorts(server);
  assert.equal(first, port);
  assert.notEqual(second, port);
});

test('the status of an Ingress that is given to another controller is emptied before its Service goes', () => {
  const server = new SimulatedApiServer();
  server.create(ingress('a', 'dedicated', 'cilium'));
  settle(server);
  server.replace(ingress('a', 'dedicated', 'other'));
  assert.deepEqual([...server.pipeline.model.actions.keys()], ['status:Ingress/shop/a']);
  performOne(server, 0, true);
  const deletions = ['delete:EndpointSlice/shop/cilium-ingress-a', 'delete:Service/shop/cilium-ingress-a'];
  assert.deepEqual([...server.pipeline.model.actions.keys()].sort(), deletions);
});

function settle(server: SimulatedApiServer): void {
  for (let writes = 0; writes < MAX_WRITES && server.pipeline.model.actions.size > 0; writes++) performOne(server, 0, true);
  assert.equal(server.pipeline.model.actions.size, 0);
}

function performOne(server: SimulatedApiServer, which: number, succeeds: boolean): void {
  const actions = [...server.pipeline.model.actions.values()];
  const action = actions[which % Math.max(1, actions.length)];
  if (action && succeeds) server.perform(action);
}

/** Of the slices of Ingresses, by name. */
function dedicatedPorts({ objects }: SimulatedApiServer): readonly unknown[] {
  const slices = [...objects].filter(([key]) => key.startsWith('EndpointSlice/shop/')).sort(([a], [b]) => (a < b ? -1 : 1));
  return slices.map(([, { ports }]) => (Array.isArray(ports) ? object(ports[0])['port'] : undefined));
}
