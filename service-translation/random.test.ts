import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Graph, type Input } from '../collection/index.ts';
import type { EndpointSlice, Service } from '../kube/index.ts';
import { endpointSliceObject, serviceObject } from '../testkit/kube-objects.ts';
import { deriveTranslations, ONLY, translateServices } from './index.ts';
import { type Asked, type Reading, readSlowly, type ServiceManifest, type SliceManifest } from './testing/slow-reading.ts';

const NAMES = ['a', 'b', 'c'];
const ADDRESSES = { IPv4: ['198.51.100.1', '198.51.100.2', '198.51.100.3'], IPv6: ['2001:db8::1', '2001:db8::2', '2001:db8::3'] };
const PODS = { IPv4: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'], IPv6: ['fd00::1', 'fd00::2', 'fd00::3', 'fd00::4'] };
const PORTS = [80, 443];
const NODE_PORTS = [30_080, 30_443];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
const ZONES = ['north', 'south'];
const NODES = ['node-1', 'node-2'];

const anyAddress = fc.constantFrom(...ADDRESSES.IPv4, ...ADDRESSES.IPv6);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const portName = fc.oneof({ arbitrary: fc.constant('one'), weight: 6 }, { arbitrary: fc.constantFrom('two', undefined), weight: 1 });

const port = fc.record(
  {
    name: portName,
    port: fc.constantFrom(...PORTS),
    protocol: fc.constantFrom('TCP', 'TCP', 'TCP', 'UDP', 'SCTP'),
    nodePort: fc.constantFrom(...NODE_PORTS),
  },
  { requiredKeys: ['name', 'port', 'protocol'] },
);

function serviceManifest(name: string): fc.Arbitrary<ServiceManifest> {
  return fc.record({
    metadata: fc.record({
      name: fc.constant(name),
      creationTimestamp: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
      labels: fc.constantFrom({}, {}, {}, {}, { 'service.kubernetes.io/service-proxy-name': 'another' }),
    }),
    spec: fc.record(
      {
        type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'LoadBalancer', 'ExternalName'),
        clusterIPs: fc.oneof(
          fc.constant(['None']),
          fc.constantFrom(...ADDRESSES.IPv4).map((address) => [address]),
          fc.tuple(fc.constantFrom(...ADDRESSES.IPv4), fc.constantFrom(...ADDRESSES.IPv6)),
        ),
        externalIPs: fc.array(anyAddress, { maxLength: 2 }),
        internalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
        externalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
        sessionAffinity: fc.constantFrom('None', 'ClientIP'),
        sessionAffinityConfig: fc.constant({ clientIP: { timeoutSeconds: 60 } }),
        loadBalancerSourceRanges: fc.array(fc.constantFrom('10.0.0.0/8', ' 192.0.2.0/24', '0.0.0.0/0', 'fd00::/8'), { maxLength: 2 }),
        ports: fc.uniqueArray(port, { minLength: 1, maxLength: 2, selector: ({ port: number, protocol }) => `${number}/${protocol}` }),
      },
      { requiredKeys: ['clusterIPs', 'ports'] },
    ),
    status: fc.record({
      loadBalancer: fc.record({
        ingress: fc.array(fc.record({ ip: anyAddress, ipMode: fc.constantFrom('VIP', 'Proxy') }, { requiredKeys: ['ip'] }), {
          maxLength: 2,
        }),
      }),
    }),
  }) as fc.Arbitrary<ServiceManifest>;
}

const slice = fc.constantFrom('IPv4' as const, 'IPv6' as const).chain((addressType) =>
  fc.record({
    metadata: fc.record({
      name: fc.stringMatching(/^[a-z]{6}$/),
      labels: fc.constantFrom(...NAMES).map((name) => ({ 'kubernetes.io/service-name': name })),
    }),
    addressType: fc.constant(addressType),
    ports: fc.uniqueArray(
      fc.record(
        { name: portName, port: fc.constantFrom(8080, 8443), protocol: fc.constantFrom('TCP', 'TCP', ...PROTOCOLS) },
        { requiredKeys: ['protocol'] },
      ),
      { minLength: 1, maxLength: 3, selector: ({ name, protocol }) => `${name}/${protocol}` },
    ),
    endpoints: fc.array(
      fc.record(
        {
          addresses: fc.constantFrom(...PODS[addressType]).map((address) => [address]),
          nodeName: fc.constantFrom(...NODES),
          conditions: fc.record(
            { ready: fc.constantFrom(true, true, false), serving: fc.boolean(), terminating: fc.boolean() },
            { requiredKeys: [] },
          ),
          hints: fc.record(
            {
              forZones: fc.subarray(ZONES.map((name) => ({ name }))),
              forNodes: fc.subarray(NODES.map((name) => ({ name }))),
            },
            { requiredKeys: [] },
          ),
        },
        { requiredKeys: ['addresses', 'conditions'] },
      ),
      { minLength: 1, maxLength: 6 },
    ),
  }),
) as fc.Arbitrary<SliceManifest>;

const worlds = fc.record({
  services: fc.tuple(...NAMES.map((name) => optional(serviceManifest(name)))).map((all) => all.filter((service) => service !== undefined)),
  slices: fc.uniqueArray(slice, { maxLength: 8, selector: ({ metadata }) => metadata.name }),
  node: fc.record({ name: fc.constantFrom(...NODES), zone: fc.constantFrom(...ZONES) }, { requiredKeys: ['name'] }),
  shuffle: fc.infiniteStream(fc.nat()),
});

const QUESTIONS: readonly Asked[] = (['IPv4', 'IPv6'] as const).flatMap((family) =>
  PROTOCOLS.flatMap((protocol) => [
    ...ADDRESSES[family].flatMap((address) => PORTS.map((number) => ({ address, port: number, protocol, family }))),
    ...NODE_PORTS.map((number) => ({ address: 'node', port: number, protocol, family })),
  ]),
);

function answer(
  translations: ReturnType<typeof translateServices>['translations'],
  { address, port: number, protocol, family }: Asked,
): Reading {
  const unspecified = family === 'IPv4' ? '0.0.0.0' : '::';
  const wanted = address === 'node' ? unspecified : address;
  const found = translations.filter(({ frontends }) =>
    frontends.some((frontend) => frontend.address === wanted && frontend.port === number && frontend.protocol === protocol),
  );
  assert.ok(found.length <= 1, `${found.map(({ name }) => name)} all have ${wanted}`);
  const [translation] = found;
  if (!translation) return 'nothing';
  if (translation.untranslated !== undefined) return 'left';
  return {
    backends: translation.backends.map((backend) => `${backend.address} ${backend.port}`).sort(),
    keptSeconds: translation.affinitySeconds,
  };
}

test('translations say what a slow reading of the same objects says, in any order of them', () => {
  const counted = new Map<string, number>();
  const property = fc.property(worlds, ({ services, slices, node, shuffle }) => {
    const order = <T>(all: readonly T[]) =>
      all
        .map((one) => ({ one, at: shuffle.next().value }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => one);
    const translate = () =>
      translateServices(
        order(services).map(({ metadata, spec, status }) => serviceObject(spec, metadata, status)),
        order(slices).map(({ metadata, ...content }) => endpointSliceObject(content, metadata)),
        node,
      );
    const { translations, diagnostics } = translate();
    assert.deepEqual(translate(), { translations, diagnostics });
    assert.equal(new Set(translations.map(({ name }) => name)).size, translations.length);
    for (const asked of QUESTIONS) {
      const expected = readSlowly(services, slices, node, asked);
      assert.deepEqual(answer(translations, asked), expected, JSON.stringify(asked));
      const kind = typeof expected === 'string' ? expected : `${Math.min(expected.backends.length, 2)} backends`;
      counted.set(kind, (counted.get(kind) ?? 0) + 1);
    }
  });
  fc.assert(property, { numRuns: 200 });
  // Every kind of answer was often right.
  for (const kind of ['nothing', 'left', '0 backends', '1 backends', '2 backends'])
    assert.ok((counted.get(kind) ?? 0) > 10, `${kind}: ${counted.get(kind)}`);
});

test('translations that are kept up to date are those that are made anew, whatever changed', () => {
  const history = fc.array(fc.tuple(worlds, fc.subarray(['default/a:80/TCP', 'default/b:443/UDP'])), { minLength: 2, maxLength: 5 });
  const property = fc.property(history, (turns) => {
    const graph = new Graph();
    const inputs = {
      services: graph.input<Service>('services'),
      slices: graph.input<EndpointSlice>('slices'),
      node: graph.input<{ readonly name: string; readonly zone?: string }>('node'),
      clients: graph.input<readonly string[]>('clients'),
      taken: graph.input<true>('taken'),
    };
    const { translations, diagnostics } = deriveTranslations(graph, inputs);
    for (const [world, taken] of turns) {
      const services = world.services.map(({ metadata, spec, status }) => serviceObject(spec, metadata, status));
      const slices = world.slices.map(({ metadata, ...content }) => endpointSliceObject(content, metadata));
      replace(
        inputs.services,
        services.map((object) => [`default/${object.metadata.name}`, object]),
      );
      replace(
        inputs.slices,
        slices.map((object) => [`default/${object.metadata.name}`, object]),
      );
      replace(
        inputs.taken,
        taken.map((name) => [name, true]),
      );
      replace(inputs.node, [[ONLY, world.node]]);
      graph.settle();
      const anew = translateServices(services, slices, world.node, { taken: new Set(taken) });
      assert.deepEqual(
        [...translations.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
        anew.translations,
      );
      assert.equal([...diagnostics.values()].flat().length, anew.diagnostics.length);
    }
  });
  fc.assert(property, { numRuns: 60 });
});

function replace<V>(input: Input<V>, entries: readonly (readonly [key: string, value: V])[]): void {
  const keys = new Set(entries.map(([key]) => key));
  for (const key of [...input.keys()]) if (!keys.has(key)) input.delete(key);
  for (const [key, value] of entries) input.set(key, value);
}
