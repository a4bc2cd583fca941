import type { JsonObject } from '@bufbuild/protobuf';
import { any, type Kind, named, withFilters, withHttp } from './resources.ts';

/** An extension as a config has it; without a config of its own, or with one of another type. */
export type Extension = JsonObject & { readonly name: string };

const TCP = named('e.filters.network.tcp_proxy.v3.TcpProxy', { statPrefix: 'x', cluster: 'c' });
const ROUTE = { match: { prefix: '/' }, directResponse: { status: 200 } };
const ROUTES = { routeConfig: { virtualHosts: [{ name: 'v', domains: ['*'], routes: [ROUTE] }] } };
const TLS = 'e.transport_sockets.tls.v3.UpstreamTlsContext';

/** Places for extensions, and the name of one that is privileged there. */
export const BY_NAME: readonly (readonly [string, Kind, (extension: Extension) => JsonObject])[] = [
  ['envoy.filters.listener.original_src', 'listener', (extension) => ({ ...withFilters(TCP), listenerFilters: [extension] })],
  ['envoy.filters.network.sni_cluster', 'listener', (extension) => ({ filterChains: [{ filters: [extension, TCP] }] })],
  ['envoy.filters.http.original_src', 'listener', (extension) => withHttp(ROUTES, extension)],
  ['envoy.access_loggers.file', 'listener', (extension) => ({ ...withFilters(TCP), accessLog: [extension] })],
  ['envoy.tracers.xray', 'listener', (extension) => withHttp({ ...ROUTES, tracing: { provider: extension } })],
  ['envoy.cluster.original_dst', 'cluster', (extension) => ({ clusterType: extension, lbPolicy: 'CLUSTER_PROVIDED' })],
  ['envoy.clusters.dynamic_forward_proxy', 'cluster', (extension) => ({ clusterType: extension, lbPolicy: 'CLUSTER_PROVIDED' })],
  ['envoy.transport_sockets.http_11_proxy', 'cluster', (extension) => ({ transportSocket: extension })],
  ['envoy.filters.connection_pools.http.tcp', 'cluster', (extension) => ({ upstreamConfig: extension })],
  [
    'envoy.health_checkers.udp',
    'cluster',
    (extension) => ({
      healthChecks: [{ timeout: '1s', interval: '1s', unhealthyThreshold: 1, healthyThreshold: 1, customHealthCheck: extension }],
    }),
  ],
  ['envoy.network.dns_resolver.getaddrinfo', 'cluster', (extension) => ({ type: 'STRICT_DNS', typedDnsResolverConfig: extension })],
  [
    'envoy.tls.cert_validator.dynamic_modules',
    'cluster',
    (extension) => ({ transportSocket: named(TLS, { commonTlsContext: { validationContext: { customValidatorConfig: extension } } }) }),
  ],
  [
    'envoy.filters.http.original_src',
    'cluster',
    (extension) => ({
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any('e.upstreams.http.v3.HttpProtocolOptions', {
          explicitHttpConfig: { httpProtocolOptions: {} },
          httpFilters: [extension, named('e.filters.http.upstream_codec.v3.UpstreamCodec')],
        }),
      },
    }),
  ],
  ['envoy.filters.network.sni_cluster', 'cluster', (extension) => ({ filters: [extension] })],
];

/** An extension whose config says nothing of it. */
export function namedOnly(name: string): readonly Extension[] {
  return [{ name }, { name, typedConfig: any('google.protobuf.Empty') }];
}
