import type { ManifestObject } from './manifest-objects.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Settings with which a config's listener may have a port of its own. */
export const PORTS_ALLOWED = { envoyConfig: { allow: ['envoy.config.listener.v3.Listener.address'] } };

export interface EnvoyConfigManifest {
  /** Numbers or names of ports by Service; none for all. */
  readonly backends?: Readonly<Record<string, readonly string[]>>;
  readonly creationTimestamp?: string;
}

/** A CiliumEnvoyConfig of the namespace `default`. */
export function envoyConfigManifest(
  name: string,
  resources: readonly Json[],
  { backends = {}, creationTimestamp }: EnvoyConfigManifest = {},
): ManifestObject {
  const backendServices = Object.entries(backends).map(([service, number]) => ({ name: service, number }));
  const metadata = { name, ...(creationTimestamp && { creationTimestamp }) };
  const object = { apiVersion: 'cilium.io/v2', kind: 'CiliumEnvoyConfig', metadata, spec: { backendServices, resources } };
  return object;
}

export interface HttpConfig {
  readonly port: number;
  readonly routes: readonly Json[];
  /** By Service: what the cluster of its name and endpoints says beside them. */
  readonly clusters: Readonly<Record<string, Json>>;
  /** HTTP filters, by the type of their config without `envoy.extensions.filters.http.`. */
  readonly filters?: Readonly<Record<string, Json>>;
  /** Beside filters, of what speaks HTTP with clients. */
  readonly http?: Json;
  /** Of the filter chain. */
  readonly transportSocket?: Json;
  /** Resources beside these. */
  readonly more?: readonly Json[];
  readonly creationTimestamp?: string;
}

/** A config that listens for HTTP, and leads to clusters of Services. */
export function httpConfigManifest(name: string, config: HttpConfig): ManifestObject {
  const { port, routes, clusters, filters = {}, http = {}, transportSocket, more = [], creationTimestamp } = config;
  const manager = extension('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: name,
    rds: { routeConfigName: 'routes' },
    httpFilters: [...Object.entries(filters).map(([type, fields]) => httpFilter(type, fields)), httpFilter('router.v3.Router')],
    ...http,
  });
  return envoyConfigManifest(
    name,
    [
      listener(port, { filters: [manager], ...(transportSocket && { transportSocket }) }),
      resource('envoy.config.route.v3.RouteConfiguration', {
        name: 'routes',
        virtualHosts: [{ name: 'all', domains: ['*'], routes }],
      }),
      ...Object.entries(clusters).map(([service, fields]) => cluster(service, fields)),
      ...more,
    ],
    { backends: backendsOf(clusters), ...(creationTimestamp && { creationTimestamp }) },
  );
}

/** A config that leads connections on. */
export function tcpConfigManifest(name: string, port: number, proxy: Json, clusters: Readonly<Record<string, Json>>): ManifestObject {
  const filter = extension('filters.network.tcp_proxy.v3.TcpProxy', { statPrefix: name, ...proxy });
  const resources = Object.entries(clusters).map(([service, fields]) => cluster(service, fields));
  return envoyConfigManifest(name, [listener(port, { filters: [filter] }), ...resources], { backends: backendsOf(clusters) });
}

export function resource(type: string, fields: Json): Json {
  return { '@type': `type.googleapis.com/${type}`, ...fields };
}

/** @param type without `envoy.extensions.` */
export function extension(type: string, fields: Json = {}): Json {
  return { name: type, typedConfig: resource(`envoy.extensions.${type}`, fields) };
}

/** By the name that its type is known by, so that routes can say what it is for them. */
export function httpFilter(type: string, fields: Json = {}): Json {
  return { ...extension(`filters.http.${type}`, fields), name: httpFilterName(type) };
}

export function httpFilterName(type: string): string {
  return `envoy.filters.http.${type.slice(0, type.indexOf('.'))}`;
}

/** A name without a slash is the config's own, so that several may have a cluster for one Service. */
export function cluster(service: string, fields: Json = {}): Json {
  const edsClusterConfig = { serviceName: `default/${service}` };
  return resource('envoy.config.cluster.v3.Cluster', { name: service, type: 'EDS', edsClusterConfig, ...fields });
}

function listener(port: number, filterChain: Json): Json {
  const address = { socketAddress: { address: '127.0.0.1', portValue: port } };
  return resource('envoy.config.listener.v3.Listener', { name: 'web', address, filterChains: [filterChain] });
}

function backendsOf(clusters: Readonly<Record<string, Json>>): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(Object.keys(clusters).map((service) => [service, []]));
}

/** For a cluster whose backend speaks HTTP/2. */
export const SPEAKS_HTTP2: Json = {
  typedExtensionProtocolOptions: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': resource('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
      explicitHttpConfig: { http2ProtocolOptions: {} },
    }),
  },
};

/** Always, as a fraction. */
export const ALWAYS: Json = { defaultValue: { numerator: 100, denominator: 'HUNDRED' } };
