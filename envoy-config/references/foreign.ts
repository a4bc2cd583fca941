import type { ForeignKind } from './meaning.ts';

/** What is named, but cannot be in a config. */
export const FOREIGN_NAMES: ReadonlyMap<ForeignKind, readonly string[]> = new Map<ForeignKind, readonly string[]>([
  ['aggregate-members', ['envoy.extensions.clusters.aggregate.v3.AggregateClusterResource.resource_name']],
  [
    'certificate-provider',
    [
      'envoy.extensions.transport_sockets.tls.v3.CertificateProviderPluginInstance.instance_name',
      'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProviderInstance.instance_name',
    ],
  ],
  ['filter-chain', ['envoy.config.listener.v3.Listener.FcdsConfig.name']],
  ['locality-endpoints', ['envoy.config.endpoint.v3.LedsClusterLocalityConfig.leds_collection_name']],
  [
    'protocol-routes',
    [
      'envoy.extensions.filters.network.dubbo_proxy.v3.Drds.route_config_name',
      'envoy.extensions.filters.network.generic_proxy.v3.GenericRds.route_config_name',
      'envoy.extensions.filters.network.thrift_proxy.v3.Trds.route_config_name',
    ],
  ],
  [
    'resource-locator',
    [
      'envoy.extensions.filters.http.on_demand.v3.OnDemandCds.resources_locator',
      'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds.srds_resources_locator',
      'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.OnDemand.resources_locator',
      'xds.core.v3.ResourceLocator.id',
      'xds.core.v3.ResourceName.id',
    ],
  ],
  ['token-bucket', ['envoy.extensions.access_loggers.filters.process_ratelimit.v3.DynamicTokenBucket.resource_name']],
]);

/** Filters whose configuration may come by discovery (`config_discovery`): it is asked for by the filter's own name. */
export const DISCOVERED_FILTERS: readonly string[] = [
  'envoy.config.cluster.v3.Filter',
  'envoy.config.listener.v3.Filter',
  'envoy.config.listener.v3.ListenerFilter',
  'envoy.extensions.filters.http.composite.v3.DynamicConfig',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter',
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.SessionFilter',
];
