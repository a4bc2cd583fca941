import fc from 'fast-check';
import type { ServiceManifest, SliceManifest } from './slow-reading.ts';

const NAMES = ['a', 'b', 'c'];
export const ADDRESSES = { IPv4: ['198.51.100.1', '198.51.100.2', '198.51.100.3'], IPv6: ['2001:db8::1', '2001:db8::2', '2001:db8::3'] };
const PODS = { IPv4: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'], IPv6: ['fd00::1', 'fd00::2', 'fd00::3', 'fd00::4'] };
export const PORTS = [80, 443];
export const NODE_PORTS = [30_080, 30_443];
export const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
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

/** Services of a namespace `default`, their endpoints and a node that clients are on; few of everything, so that they meet. */
export const worlds = fc.record({
  services: fc.tuple(...NAMES.map((name) => optional(serviceManifest(name)))).map((all) => all.filter((service) => service !== undefined)),
  slices: fc.uniqueArray(slice, { maxLength: 8, selector: ({ metadata }) => metadata.name }),
  node: fc.record({ name: fc.constantFrom(...NODES), zone: fc.constantFrom(...ZONES) }, { requiredKeys: ['name'] }),
  shuffle: fc.infiniteStream(fc.nat()),
});
