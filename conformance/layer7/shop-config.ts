import { FAMILIES, type Family } from '../lab/netns/index.ts';
import type { Manifest, SteeredLab } from './steered-lab.ts';

/** Of the Service whose traffic the listener takes. */
export const SHOP: Readonly<Record<Family, string>> = { ipv4: '10.96.0.77', ipv6: 'fd00:96::77' };
/** What the listener adds to each request. */
export const BY_LISTENER = 'x-shop';

const API = 'type.googleapis.com/envoy';

/** How often of a hundred times which pod is asked. */
export type Weights = Readonly<Record<'one' | 'two', number>>;

export interface ShopText {
  readonly weights: Weights;
  /** Of {@link BY_LISTENER}. */
  readonly mark: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Labels of the nodes that it is for. Default: all. */
  readonly nodes?: Readonly<Record<string, string>>;
  /** Before the others. */
  readonly routes?: readonly Manifest[];
  /** Before the router. */
  readonly httpFilters?: readonly Manifest[];
  /** The listener's name. Default: front. */
  readonly name?: string;
}

/** A config whose listener takes port 80 of the Service `shop`, and leads to the pods of two others. */
export function shopConfig({
  weights,
  mark,
  annotations = {},
  nodes,
  routes: own = [],
  httpFilters = [],
  name = 'front',
}: ShopText): Manifest {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumEnvoyConfig',
    metadata: { name: 'shop', annotations },
    spec: {
      ...(nodes && { nodeSelector: { matchLabels: nodes } }),
      services: [{ name: 'shop', ports: [80], listener: name }],
      backendServices: [{ name: 'one' }, { name: 'two' }],
      resources: [listener(name, httpFilters), routes(weights, mark, own), cluster('one'), cluster('two')],
    },
  };
}

/** A Service whose port 80 the same pods serve by TLS. */
export const SEALED: Readonly<Record<Family, string>> = { ipv4: '10.96.0.78', ipv6: 'fd00:96::78' };

/** Another, which a pod serves that has other rules. The same listener takes it. */
export const MIXED: Readonly<Record<Family, string>> = { ipv4: '10.96.0.79', ipv6: 'fd00:96::79' };

/** A config whose listener takes both, and begins TLS itself. @param more what its routes do besides */
export function sealedConfig(more: Manifest = {}): Manifest {
  const tls = { '@type': `${API}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`, sni: 'shop.test' };
  const transportSocket = { name: 'envoy.transport_sockets.tls', typedConfig: tls };
  const virtualHosts = [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'sealed', ...more } }] }];
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumEnvoyConfig',
    metadata: { name: 'sealed' },
    spec: {
      services: ['sealed', 'mixed'].map((name) => ({ name, listener: 'front' })),
      backendServices: [{ name: 'sealed' }],
      resources: [
        listener('front', []),
        { '@type': `${API}.config.route.v3.RouteConfiguration`, name: 'routes', virtualHosts },
        { ...cluster('sealed'), transportSocket },
      ],
    },
  };
}

/** @param other serves one of them, too */
export function sealedServices({ lab }: SteeredLab, other: string): readonly Manifest[] {
  return [['sealed', SEALED, ['one', 'two']] as const, ['mixed', MIXED, ['one', other]] as const].flatMap(([name, addresses, pods]) => {
    const of = (family: Family) => pods.map((pod) => ({ name: pod, address: lab.pod(pod).addresses[family] }));
    const spec = { clusterIP: addresses.ipv4, clusterIPs: Object.values(addresses), ipFamilyPolicy: 'RequireDualStack' };
    return service(name, of, spec, [{ name: 'http', port: 443, protocol: 'TCP' }]);
  });
}

/** Of an HTTP filter that adds a header to each request. */
export function stamping(header: string, value: string): Manifest {
  const mutation = { append: { header: { key: header, value } } };
  const typedConfig = {
    '@type': `${API}.extensions.filters.http.header_mutation.v3.HeaderMutation`,
    mutations: { requestMutations: [mutation] },
  };
  return { name: 'envoy.filters.http.header_mutation', typedConfig };
}

function listener(name: string, httpFilters: readonly Manifest[]): Manifest {
  const router = { '@type': `${API}.extensions.filters.http.router.v3.Router` };
  const manager = {
    '@type': `${API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    statPrefix: 'shop',
    rds: { routeConfigName: 'routes' },
    httpFilters: [...httpFilters, { name: 'envoy.filters.http.router', typedConfig: router }],
  };
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: manager }];
  return { '@type': `${API}.config.listener.v3.Listener`, name, filterChains: [{ filters }] };
}

function routes(weights: Weights, mark: string, own: readonly Manifest[]): Manifest {
  const clusters = Object.entries(weights).map(([name, weight]) => ({ name, weight }));
  const only = (name: string) => ({ match: { prefix: `/${name}` }, route: { cluster: name } });
  return {
    '@type': `${API}.config.route.v3.RouteConfiguration`,
    name: 'routes',
    virtualHosts: [
      {
        name: 'all',
        domains: ['*'],
        requestHeadersToAdd: [{ header: { key: BY_LISTENER, value: mark } }],
        routes: [...own, only('one'), only('two'), { match: { prefix: '/' }, route: { weightedClusters: { clusters } } }],
      },
    ],
  };
}

function cluster(name: string): Manifest {
  const edsClusterConfig = { serviceName: `default/${name}:80` };
  return { '@type': `${API}.config.cluster.v3.Cluster`, name, type: 'EDS', connectTimeout: '1s', edsClusterConfig };
}

/** The Service `shop`, which both pods serve, with a port for datagrams as well; and one for each of them. */
export function shopServices({ lab }: SteeredLab): readonly Manifest[] {
  const of = (family: Family, ...names: readonly string[]) => names.map((name) => ({ name, address: lab.pod(name).addresses[family] }));
  const shop = service('shop', (family) => of(family, 'one', 'two'), {
    clusterIP: SHOP.ipv4,
    clusterIPs: Object.values(SHOP),
    ipFamilyPolicy: 'RequireDualStack',
  });
  const each = ['one', 'two'].flatMap((name) => service(name, (family) => of(family, name), { clusterIP: 'None' }));
  return [...shop, ...each];
}

const PORTS = [
  { name: 'http', port: 80, protocol: 'TCP' },
  { name: 'words', port: 80, protocol: 'UDP' },
] as const;

interface ServedPod {
  readonly name: string;
  readonly address: string;
}

function service(
  name: string,
  podsOf: (family: Family) => readonly ServedPod[],
  spec: Manifest,
  served: readonly Manifest[] = PORTS,
): readonly Manifest[] {
  const slices = FAMILIES.map((family) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${family}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
    endpoints: podsOf(family).map(({ name: pod, address }) => ({
      addresses: [address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name: pod },
    })),
    ports: served,
  }));
  return [{ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ...spec, selector: { app: name }, ports: PORTS } }, ...slices];
}
