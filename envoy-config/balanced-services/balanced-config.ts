import type { CiliumEnvoyConfig, CiliumEnvoyConfigSpec, Service } from '../../kube/index.ts';
import type { BalancedPort } from './balanced-ports.ts';
import type { BalancingAlgorithm } from './balancing-asked.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * The config that a user would write to have the requests of a Service balanced: a listener and a cluster for each port. It has a name that
 * none of a user's can have. What a request is to its backend, and how long it may take, stays as it is without Envoy.
 */
export function balancedConfig(service: Service, ports: readonly BalancedPort[], algorithm: BalancingAlgorithm): CiliumEnvoyConfig {
  const { namespace, name } = service.metadata;
  const kept = algorithm === 'MAGLEV';
  const resources = ports.flatMap((port) => [listener(service, { ...port, kept }), cluster(service, port, algorithm)]);
  const services = ports.map(({ port }) => ({ name, ports: [port], listener: String(port) }));
  const spec: Partial<CiliumEnvoyConfigSpec> = { services: services.map((taken) => ({ ...taken, namespace })), resources };
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumEnvoyConfig',
    // Names of objects have no colon.
    metadata: { name: `lb-l7:${name}`, namespace, labels: {}, annotations: {} },
    spec,
  };
}

interface ListenedPort extends BalancedPort {
  /** Whether a client stays with one endpoint. */
  readonly kept: boolean;
}

/** What is not HTTP, by its first bytes or because the server speaks first, goes on as it came, to one backend a connection. */
function listener(service: Service, listened: ListenedPort): Json {
  const { port, isHttp } = listened;
  const http = { filters: [connectionManager(service, listened)] };
  const common = { '@type': type('config.listener.v3.Listener'), name: String(port) };
  if (isHttp) return { ...common, filterChains: [http] };
  return {
    ...common,
    listenerFilters: [extension('filters.listener.http_inspector', 'filters.listener.http_inspector.v3.HttpInspector', {})],
    listenerFiltersTimeout: FIRST_BYTES_WITHIN,
    continueOnListenerFiltersTimeout: true,
    filterChains: [{ filterChainMatch: { applicationProtocols: ['http/1.0', 'http/1.1', 'h2c'] }, ...http }],
    defaultFilterChain: { filters: [tcpProxy(service, listened)] },
  };
}

/** Clients of servers that speak first wait for so long. */
const FIRST_BYTES_WITHIN = '3s';

function connectionManager(service: Service, listened: ListenedPort): Json {
  const { port } = listened;
  const { namespace, name } = service.metadata;
  return extension(HTTP_FILTER, 'filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: statPrefix(service, port),
    routeConfig: { name: String(port), validateClusters: false, virtualHosts: [{ name: 'all', domains: ['*'], routes: routes(listened) }] },
    httpFilters: [extension('filters.http.router', 'filters.http.router.v3.Router', { suppressEnvoyHeaders: true })],
    useRemoteAddress: true,
    serverHeaderTransformation: 'PASS_THROUGH',
    httpProtocolOptions: { acceptHttp10: true, defaultHostForHttp10: `${name}.${namespace}`, enableTrailers: true },
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    streamIdleTimeout: UNLIMITED,
  });
}

const HTTP_FILTER = 'filters.network.http_connection_manager';
const UNLIMITED = '0s';

/**
 * A request goes to another backend where this one cannot have begun with it, or where it changes nothing. So one that policies keep from a
 * backend has those that he may ask.
 */
function routes(listened: ListenedPort): readonly Json[] {
  const safe = [{ name: ':method', stringMatch: { safeRegex: { regex: 'GET|HEAD|OPTIONS' } } }];
  return [
    { match: { prefix: '/', headers: safe }, route: route(listened, 'connect-failure,refused-stream,reset') },
    { match: { prefix: '/' }, route: route(listened, 'connect-failure,refused-stream,reset-before-request') },
  ];
}

function route({ port, kept }: ListenedPort, retryOn: string): Json {
  const previous = extension('retry_host_predicates.previous_hosts', 'retry.host.previous_hosts.v3.PreviousHostsPredicate', {});
  const elsewhere = { retryHostPredicate: [previous], hostSelectionRetryMaxAttempts: '5' };
  // A connection that ends with a change of policies may be followed by another that does, at once.
  const retryPolicy = { retryOn, numRetries: 3, retryBackOff: { baseInterval: '0.05s' }, ...elsewhere };
  // The address that the connection comes from, whatever headers say.
  const hashPolicy = kept && { hashPolicy: [{ connectionProperties: { sourceIp: true } }] };
  return { cluster: String(port), timeout: UNLIMITED, retryPolicy, ...hashPolicy };
}

function tcpProxy(service: Service, { port, kept }: ListenedPort): Json {
  const hashPolicy = kept && { hashPolicy: [{ sourceIp: {} }] };
  const fields = { statPrefix: statPrefix(service, port), cluster: String(port), idleTimeout: UNLIMITED, ...hashPolicy };
  return extension('filters.network.tcp_proxy', 'filters.network.tcp_proxy.v3.TcpProxy', fields);
}

/** Nothing is ejected: a backend that policies keep from one client would be gone for all. */
function cluster({ metadata: { namespace, name } }: Service, { port }: BalancedPort, lbPolicy: BalancingAlgorithm): Json {
  const protocols = { useDownstreamProtocolConfig: { httpProtocolOptions: { enableTrailers: true }, http2ProtocolOptions: {} } };
  return {
    '@type': type('config.cluster.v3.Cluster'),
    name: String(port),
    type: 'EDS',
    edsClusterConfig: { serviceName: `${namespace}/${name}:${port}` },
    lbPolicy,
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
        ...protocols,
      },
    },
  };
}

function statPrefix({ metadata: { namespace, name } }: Service, port: number): string {
  return `${namespace}/${name}:${port}`;
}

function extension(name: string, typeName: string, fields: Json): Json {
  return { name: `envoy.${name}`, typedConfig: { '@type': type(`extensions.${typeName}`), ...fields } };
}

function type(name: string): string {
  return `type.googleapis.com/envoy.${name}`;
}
