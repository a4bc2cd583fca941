import fc from 'fast-check';
import type { PlainObject } from '../oracle/objects.ts';
import { ciliumPolicy, clusterwidePolicy } from './random-cilium-policy.ts';
import { networkPolicy } from './random-network-policy.ts';
import { IMAGES, NAMESPACES, NODES, PORTS, podLabels, TEAMS } from './vocabulary.ts';

/** A cluster with its policies, as plain Kubernetes objects. */
export interface World {
  readonly objects: readonly PlainObject[];
}

export interface WorldOptions {
  /** How many pods at most; by default 7. */
  readonly pods?: number;
  /** How many policies at most; by default 4. */
  readonly policies?: number;
  /** Whether pods and nodes have IPv4 addresses, IPv6 ones or both; by default both. */
  readonly families?: readonly (4 | 6)[];
  /** Policies to draw from; by default those of all kinds. */
  readonly policy?: fc.Arbitrary<PlainObject>;
  /** Whether annotations ask for audit mode and visibility; by default they do not. */
  readonly isHandled?: boolean;
}

/** Addresses outside of the cluster, of which rules name some. */
export const OUTSIDE = { 4: ['203.0.113.7', '203.0.113.200', '198.51.100.9'], 6: ['2001:db8:ff::7', '2001:db8:ff:1::9'] } as const;

/** Of the pods' network, and no pod's. */
export const UNKNOWN = { 4: '10.244.1.250', 6: 'fd00:244:1::fa' } as const;

export function nodeAddress(node: number, family: 4 | 6): string {
  return family === 4 ? `192.168.56.${10 + node}` : `fd00:56::${(16 + node).toString(16)}`;
}

/** The address of the pod with this number on this node. */
export function podAddress(node: number, pod: number, family: 4 | 6): string {
  return family === 4 ? `10.244.${node}.${pod + 2}` : `fd00:244:${node || ''}::${(pod + 2).toString(16)}`.replace('244:::', '244::');
}

const anyPolicy = fc.oneof(networkPolicy, ciliumPolicy, clusterwidePolicy);

/** Worlds that are small and dense: few names for much, so that rules meet. Printed by their seed, and made smaller on a failure. */
export function randomWorld(options: WorldOptions = {}): fc.Arbitrary<World> {
  const { pods = 7, policies = 4, families = [4, 6], policy = anyPolicy, isHandled = false } = options;
  const [ofNamespaces, ofPods] = isHandled
    ? [annotations('true', 'pods'), annotations('true', 'false')]
    : [fc.constant({}), fc.constant({})];
  return fc
    .record({
      namespaces: fc.tuple(...NAMESPACES.map((name) => namespace(name, ofNamespaces))),
      pods: fc.array(pod(ofPods), { minLength: 2, maxLength: pods }),
      policies: fc.array(policy, { maxLength: policies }),
      apiServer: fc.constantFrom('node', 'outside', undefined),
    })
    .map(({ namespaces, pods: shapes, policies: found, apiServer }) => ({
      objects: [
        ...NODES.map((_, index) => nodeObject(index, families)),
        ...namespaces,
        ...shapes.map((shape, index) => podObject(shape, index, families)),
        ...servicesIn(families),
        ...(apiServer
          ? families.map((family) => apiServerSlice(apiServer === 'node' ? nodeAddress(1, family) : OUTSIDE[family][1], family))
          : []),
        ...found.map((each, index) => ({ ...each, metadata: { ...each.metadata, name: `p${index}` } })),
      ],
    }));
}

type Annotations = Readonly<Record<string, string>>;

function namespace(name: string, ofNamespaces: fc.Arbitrary<Annotations>): fc.Arbitrary<PlainObject> {
  return fc.record({ team: fc.constantFrom(...TEAMS), annotations: ofNamespaces }).map(({ team, annotations }) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { team }, annotations },
  }));
}

/** @param audits what may be said of audit mode; as often, nothing is */
function annotations(...audits: readonly string[]): fc.Arbitrary<Annotations> {
  const audit = fc.constantFrom(undefined, undefined, ...audits);
  const visiblePort = fc.record({ direction: fc.constantFrom('Ingress', 'Egress'), port: fc.constantFrom(...PORTS) });
  return fc.record({ audit, visible: fc.option(fc.array(visiblePort, { minLength: 1, maxLength: 2 })) }).map(({ audit, visible }) => ({
    ...(audit !== undefined && { 'policy.sluice.io/audit-mode': audit }),
    ...(visible && { 'policy.cilium.io/proxy-visibility': visible.map(({ direction, port }) => `<${direction}/${port}/TCP/HTTP>`).join() }),
  }));
}

interface PodShape {
  readonly namespace: string;
  readonly node: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccountName: string;
  readonly image: (typeof IMAGES)[number];
  readonly phase: string;
  readonly hostNetwork: boolean;
  readonly annotations: Annotations;
}

function pod(ofPods: fc.Arbitrary<Annotations>): fc.Arbitrary<PodShape> {
  return fc.record({
    namespace: fc.constantFrom(...NAMESPACES),
    node: fc.nat(NODES.length - 1),
    labels: podLabels,
    serviceAccountName: fc.constantFrom('default', 'robot'),
    image: fc.constantFrom(...IMAGES),
    phase: fc.constantFrom('Running', 'Running', 'Running', 'Running', 'Running', 'Succeeded'),
    hostNetwork: fc.constantFrom(false, false, false, false, false, true),
    annotations: ofPods,
  });
}

function podObject(shape: PodShape, index: number, families: readonly (4 | 6)[]): PlainObject {
  const { namespace, node, labels, serviceAccountName, image, phase, hostNetwork, annotations } = shape;
  const podIPs = families.map((family) => ({ ip: hostNetwork ? nodeAddress(node, family) : podAddress(node, index, family) }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `pod-${index}`, namespace, uid: `uid-${index}`, labels, annotations },
    spec: { nodeName: NODES[node] ?? '', hostNetwork, serviceAccountName, containers: [{ name: 'main', image: 'x', ports: image }] },
    status: { phase, podIP: podIPs[0]?.ip ?? '', podIPs },
  };
}

function nodeObject(index: number, families: readonly (4 | 6)[]): PlainObject {
  const podCIDRs = families.map((family) => (family === 4 ? `10.244.${index}.0/24` : `fd00:244:${index}::/64`));
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: NODES[index] ?? '' },
    spec: { podCIDR: podCIDRs[0] ?? '', podCIDRs },
    status: { addresses: families.map((family) => ({ type: 'InternalIP', address: nodeAddress(index, family) })) },
  };
}

/** One that selects pods, and one whose endpoints are given: somebody outside, a pod and a node. */
function servicesIn(families: readonly (4 | 6)[]): PlainObject[] {
  const ports = [{ port: 80 }];
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'app', namespace: 'red', labels: { sort: 'pods' } },
      spec: { selector: { app: 'a' }, ports },
    },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'given', namespace: 'blue', labels: { sort: 'given' } }, spec: { ports } },
    ...families.map((family) => {
      const addresses = [OUTSIDE[family][0], podAddress(0, 0, family), podAddress(1, 1, family), nodeAddress(1, family)];
      return slice('blue', 'given', `given-${family}`, addresses, family);
    }),
  ];
}

function apiServerSlice(address: string, family: 4 | 6): PlainObject {
  return slice('default', 'kubernetes', `kubernetes-${family}`, [address], family);
}

function slice(namespace: string, service: string, name: string, addresses: readonly string[], family: 4 | 6): PlainObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': service } },
    addressType: `IPv${family}`,
    ports: [{ port: 80 }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  };
}
