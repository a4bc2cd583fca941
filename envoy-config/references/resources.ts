import type { ResourceKind } from './meaning.ts';

/** A resource's own name, where the message is the resource. */
export const DEFINITIONS: Readonly<Record<string, ResourceKind>> = {
  'envoy.config.cluster.v3.Cluster.name': 'cluster',
  'envoy.config.endpoint.v3.ClusterLoadAssignment.cluster_name': 'endpoints',
  'envoy.config.listener.v3.Listener.name': 'listener',
  'envoy.config.route.v3.RouteConfiguration.name': 'route-configuration',
  'envoy.extensions.transport_sockets.tls.v3.Secret.name': 'secret',
};

/** Where it is absent, the endpoints have the name of the cluster. */
export const ENDPOINTS_NAMES: readonly string[] = ['envoy.config.cluster.v3.Cluster.EdsClusterConfig.service_name'];

export const LISTENER_NAMES: readonly string[] = ['envoy.config.core.v3.EnvoyInternalAddress.server_listener_name'];

export const ROUTE_CONFIGURATION_NAMES: readonly string[] = [
  'envoy.config.route.v3.ScopedRouteConfiguration.route_configuration_name',
  'envoy.extensions.filters.network.http_connection_manager.v3.Rds.route_config_name',
];

/** A secret by discovery, or one of the bootstrap where no source is given; which source that is, is not for the name to say. */
export const SECRET_NAMES: readonly string[] = [
  'envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig.name',
  'envoy.extensions.transport_sockets.tls.cert_mappers.filter_state_override.v3.Config.default_value',
  'envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI.default_value',
  'envoy.extensions.transport_sockets.tls.cert_mappers.static_name.v3.StaticName.name',
  'envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config.prefetch_secret_names',
];
