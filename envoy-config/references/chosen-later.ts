const CLIENT_HEADER = 'the client names the cluster, in a header';
const PROGRAM = 'a program may name any cluster';
const MODULE = 'a module may name any cluster';

/**
 * Messages and fields by which what is named is only known once traffic passes, or is asked for by names that nobody can give another form:
 * no reference of theirs can be checked or rewritten, so where one is set there is no saying whose resources it leads to.
 */
export const CHOSEN_LATER: Readonly<Record<string, string>> = {
  'envoy.config.route.v3.RouteAction.cluster_header': CLIENT_HEADER,
  'envoy.config.route.v3.RouteAction.RequestMirrorPolicy.cluster_header': CLIENT_HEADER,
  'envoy.config.route.v3.WeightedCluster.ClusterWeight.cluster_header': CLIENT_HEADER,
  'envoy.extensions.filters.network.thrift_proxy.v3.RouteAction.cluster_header': CLIENT_HEADER,
  'envoy.extensions.filters.network.sni_cluster.v3.SniCluster': 'the client names the cluster, as the server that it asks for',
  'envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier.override_metadata_namespace':
    'metadata of the request names the clusters',

  'envoy.extensions.filters.http.lua.v3.Lua': PROGRAM,
  'envoy.extensions.filters.http.lua.v3.LuaPerRoute': PROGRAM,
  'envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig.source_code': PROGRAM,
  'envoy.extensions.wasm.v3.PluginConfig': PROGRAM,
  'envoy.extensions.dynamic_modules.v3.DynamicModuleConfig': MODULE,

  'envoy.config.core.v3.SocketAddress.resolver_name': 'a resolver may take the address for the name of a cluster to connect back to',
  'envoy.config.route.v3.RouteConfiguration.vhds': 'virtual hosts are asked for by the host of a request',
  'envoy.data.dns.v3.DnsTable.DnsServiceTarget.cluster_name': 'Envoy accepts no name here that has a slash, and each of a config has one',
  'envoy.extensions.filters.http.on_demand.v3.OnDemandCds': 'clusters are asked for by what a request names',
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.scoped_rds':
    'all scopes that there are come in, whoever has them',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.on_demand': 'clusters are asked for by what a connection names',
  'envoy.extensions.transport_sockets.tls.cert_mappers.filter_state_override.v3.Config': 'filter state names the secret',
  'envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI': 'the client names the secret, as the server that it asks for',
  'xds.core.v3.CollectionEntry.locator': 'the entry stands elsewhere',
};
