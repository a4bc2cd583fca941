import type { JsonObject } from '@bufbuild/protobuf';
import { FILTER_NAME_TRIES } from './filter-name-tries.ts';
import { any, type Kind, named, socket, withEndpoint, withFilters, withHttp, withRoute } from './resources.ts';

const HTTP_FILTER = 'filterChains.0.filters.0.typedConfig.httpFilters.0.typedConfig';
const ROUTE = 'filterChains.0.filters.0.typedConfig.routeConfig.virtualHosts.0.routes.0';
const FILTER = 'filterChains.0.filters.0.typedConfig';
const TLS = { tlsCertificates: [{ certificateChain: { inlineString: 'x' }, privateKey: { inlineString: 'y' } }] };
const STATE = 'envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue.object_key';
const OTHERS = { grpcServices: [{ envoyGrpc: { clusterName: 'x' } }] };

function tls(fields: JsonObject): JsonObject {
  return { transportSocket: named('e.transport_sockets.tls.v3.DownstreamTlsContext', { commonTlsContext: { ...TLS, ...fields } }) };
}

function setting(objectKey: string): JsonObject {
  return { onRequestHeaders: [{ objectKey, formatString: { textFormatSource: { inlineString: 'x' } } }] };
}

/** Ways to say what a config may not: what is found, and where. */
export const TRIES: readonly (readonly [string, Kind, JsonObject, string])[] = [
  // Whose a connection is.
  [
    'marks of a listener',
    'listener',
    { socketOptions: [{ level: '1', name: '36', intValue: '1' }] },
    'envoy.config.core.v3.SocketOption @ socketOptions.0',
  ],
  ['marks of a cluster', 'cluster', { upstreamBindConfig: {} }, 'envoy.config.core.v3.BindConfig @ upstreamBindConfig'],
  [
    'an HTTP filter for source addresses',
    'listener',
    withHttp({}, named('e.filters.http.original_src.v3.OriginalSrc')),
    `envoy.extensions.filters.http.original_src.v3.OriginalSrc @ ${HTTP_FILTER}`,
  ],
  [
    'a listener filter for source addresses',
    'listener',
    { listenerFilters: [named('e.filters.listener.original_src.v3.OriginalSrc', { mark: 1 })] },
    'envoy.extensions.filters.listener.original_src.v3.OriginalSrc @ listenerFilters.0.typedConfig',
  ],
  ['a transparent listener', 'listener', { transparent: true }, 'envoy.config.listener.v3.Listener.transparent @ transparent'],
  ['foreign addresses', 'listener', { freebind: true }, 'envoy.config.listener.v3.Listener.freebind @ freebind'],
  [
    'socket options by filter state',
    'listener',
    withHttp({}, named('e.filters.http.set_filter_state.v3.Config', setting('envoy.network.upstream_socket_options'))),
    `${STATE} @ ${HTTP_FILTER}.onRequestHeaders.0.objectKey`,
  ],
  [
    'a network namespace',
    'endpoints',
    withEndpoint({ address: { socketAddress: { address: '10.0.0.1', portValue: 1, networkNamespaceFilepath: '/proc/1/ns/net' } } }),
    'envoy.config.core.v3.SocketAddress.network_namespace_filepath @ endpoints.0.lbEndpoints.0.endpoint.address.socketAddress.networkNamespaceFilepath',
  ],
  [
    'who the client says he is',
    'listener',
    { listenerFilters: [named('e.filters.listener.proxy_protocol.v3.ProxyProtocol')] },
    'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol @ listenerFilters.0.typedConfig',
  ],
  [
    'who the client says he is, as once',
    'listener',
    { filterChains: [{ useProxyProto: true }] },
    'envoy.config.listener.v3.FilterChain.use_proxy_proto @ filterChains.0.useProxyProto',
  ],
  // The node's ports, sockets and files.
  ['a port', 'listener', { address: socket('0.0.0.0') }, 'envoy.config.listener.v3.Listener.address @ address'],
  [
    'more ports',
    'listener',
    { additionalAddresses: [{ address: socket('::') }] },
    'envoy.config.listener.v3.AdditionalAddress @ additionalAddresses.0',
  ],
  [
    'a Unix socket',
    'endpoints',
    withEndpoint({ address: { pipe: { path: '/run/admin.sock' } } }),
    'envoy.config.core.v3.Pipe @ endpoints.0.lbEndpoints.0.endpoint.address.pipe',
  ],
  ['UDP', 'listener', { udpListenerConfig: {} }, 'envoy.config.listener.v3.UdpListenerConfig @ udpListenerConfig'],
  [
    'QUIC upstream',
    'cluster',
    { transportSocket: named('e.transport_sockets.quic.v3.QuicUpstreamTransport') },
    'envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport @ transportSocket.typedConfig',
  ],
  [
    'a file as a secret',
    'secret',
    { genericSecret: { secret: { filename: '/etc/shadow' } } },
    'envoy.config.core.v3.DataSource.filename @ genericSecret.secret.filename',
  ],
  [
    'a file as an answer',
    'listener',
    withRoute({ directResponse: { status: 200, body: { filename: '/etc/shadow' } } }),
    `envoy.config.core.v3.DataSource.filename @ ${ROUTE}.directResponse.body.filename`,
  ],
  [
    'a folder to watch',
    'secret',
    { tlsCertificate: { watchedDirectory: { path: '/' } } },
    'envoy.config.core.v3.WatchedDirectory @ tlsCertificate.watchedDirectory',
  ],
  [
    'a log file',
    'listener',
    { accessLog: [named('e.access_loggers.file.v3.FileAccessLog', { path: '/dev/sda' })] },
    'envoy.extensions.access_loggers.file.v3.FileAccessLog @ accessLog.0.typedConfig',
  ],
  [
    'a log of health',
    'cluster',
    { healthChecks: [{ eventLogPath: '/x' }] },
    'envoy.config.core.v3.HealthCheck.event_log_path @ healthChecks.0.eventLogPath',
  ],
  [
    'a log of MongoDB',
    'listener',
    withFilters(named('e.filters.network.mongo_proxy.v3.MongoProxy', { accessLog: '/x' })),
    `envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy.access_log @ ${FILTER}.accessLog`,
  ],
  [
    'a log of keys',
    'listener',
    { filterChains: [tls({ keyLog: { path: '/x' } })] },
    'envoy.extensions.transport_sockets.tls.v3.TlsKeyLog @ filterChains.0.transportSocket.typedConfig.commonTlsContext.keyLog',
  ],
  [
    'a file of descriptors',
    'listener',
    withHttp({}, named('e.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder', { protoDescriptor: '/x' })),
    `envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder.proto_descriptor @ ${HTTP_FILTER}.protoDescriptor`,
  ],
  [
    'the environment',
    'secret',
    { genericSecret: { secret: { environmentVariable: 'TOKEN' } } },
    'envoy.config.core.v3.DataSource.environment_variable @ genericSecret.secret.environmentVariable',
  ],
  [
    'the environment by a tag',
    'listener',
    withHttp({ tracing: { customTags: [{ tag: 't', environment: { name: 'TOKEN' } }] } }),
    `envoy.type.tracing.v3.CustomTag.Environment @ ${FILTER}.tracing.customTags.0.environment`,
  ],
  [
    'the environment by a format',
    'routes',
    { responseHeadersToAdd: [{ header: { key: 'a', value: 'b %ENVIRONMENT(TOKEN):3%' } }] },
    'envoy.config.core.v3.DataSource.environment_variable @ responseHeadersToAdd.0.header.value',
  ],
  [
    'the environment by a format in bytes',
    'listener',
    {
      accessLog: [
        named('e.access_loggers.stream.v3.StdoutAccessLog', {
          logFormat: { textFormatSource: { inlineBytes: btoa('%ENVIRONMENT(TOKEN)%') } },
        }),
      ],
    },
    'envoy.config.core.v3.DataSource.environment_variable @ accessLog.0.typedConfig.logFormat.textFormatSource.inlineBytes',
  ],
  [
    'the environment by a format in JSON',
    'listener',
    {
      accessLog: [
        named('e.access_loggers.stream.v3.StdoutAccessLog', { logFormat: { jsonFormat: { a: [{ b: '%ENVIRONMENT(TOKEN)%' }] } } }),
      ],
    },
    'envoy.config.core.v3.DataSource.environment_variable @ accessLog.0.typedConfig.logFormat.jsonFormat',
  ],
  [
    'the environment by a format in a format',
    'routes',
    { requestHeadersToAdd: [{ header: { key: 'a', value: '%COALESCE({"operators":[{"command":"ENVIRONMENT","param":"A"}]})%' } }] },
    'envoy.config.core.v3.DataSource.environment_variable @ requestHeadersToAdd.0.header.value',
  ],
  [
    'the filter of reverse tunnels',
    'cluster',
    { filters: [named('google.protobuf.Empty')] },
    'google.protobuf.Empty @ filters.0.typedConfig',
  ],
  [
    'a validator by name',
    'secret',
    {
      validationContext: {
        customValidatorConfig: { name: 'envoy.tls.cert_validator.dynamic_modules', typedConfig: any('e.filters.http.cors.v3.Cors') },
      },
    },
    'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.custom_validator_config @ validationContext.customValidatorConfig',
  ],
  [
    'a file by a format',
    'routes',
    { requestHeadersToAdd: [{ header: { key: 'a', value: '%FILE_CONTENT(/etc/shadow)%' } }] },
    'envoy.extensions.formatter.file_content.v3.FileContent @ requestHeadersToAdd.0.header.value',
  ],
  // Other sources of configuration.
  [
    'a source that is a file',
    'listener',
    withHttp({ rds: { routeConfigName: 'r', configSource: { pathConfigSource: { path: '/x' } } } }),
    `envoy.config.core.v3.PathConfigSource @ ${FILTER}.rds.configSource.pathConfigSource`,
  ],
  [
    'a source that is a file, as once',
    'cluster',
    { edsClusterConfig: { edsConfig: { path: '/x' } } },
    'envoy.config.core.v3.ConfigSource.path @ edsClusterConfig.edsConfig.path',
  ],
  [
    'a source that is another server',
    'cluster',
    { edsClusterConfig: { edsConfig: { apiConfigSource: { apiType: 'GRPC', ...OTHERS } } } },
    'envoy.config.core.v3.ApiConfigSource @ edsClusterConfig.edsConfig.apiConfigSource',
  ],
  [
    'a secret of another server',
    'listener',
    { filterChains: [tls({ tlsCertificateSdsSecretConfigs: [{ name: 's', sdsConfig: { apiConfigSource: OTHERS } }] })] },
    'envoy.config.core.v3.ApiConfigSource @ filterChains.0.transportSocket.typedConfig.commonTlsContext.tlsCertificateSdsSecretConfigs.0.sdsConfig.apiConfigSource',
  ],
  [
    'a filter served by itself',
    'listener',
    withHttp({}, { name: 'sluice', configDiscovery: { configSource: { ads: {} } } }),
    'envoy.config.core.v3.ExtensionConfigSource @ filterChains.0.filters.0.typedConfig.httpFilters.0.configDiscovery',
  ],
  ['virtual hosts on demand', 'routes', { vhds: { configSource: { ads: {} } } }, 'envoy.config.route.v3.Vhds @ vhds'],
  [
    'filter chains served by themselves',
    'listener',
    { fcdsConfig: { name: 'x' } },
    'envoy.config.listener.v3.Listener.FcdsConfig @ fcdsConfig',
  ],
  [
    'clusters on demand',
    'listener',
    withHttp({}, named('e.filters.http.on_demand.v3.OnDemand')),
    `envoy.extensions.filters.http.on_demand.v3.OnDemand @ ${HTTP_FILTER}`,
  ],
  [
    'certificates by the client’s word',
    'listener',
    { filterChains: [tls({ customTlsCertificateSelector: named('e.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config') })] },
    'envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config @ filterChains.0.transportSocket.typedConfig.commonTlsContext.customTlsCertificateSelector.typedConfig',
  ],
  // Connections that are not a cluster's, or anybody's choice.
  [
    'Google’s gRPC',
    'listener',
    withHttp({}, named('e.filters.http.ext_authz.v3.ExtAuthz', { grpcService: { googleGrpc: { targetUri: 'x', statPrefix: 'y' } } })),
    `envoy.config.core.v3.GrpcService.GoogleGrpc @ ${HTTP_FILTER}.grpcService.googleGrpc`,
  ],
  ['resolvers', 'cluster', { dnsResolvers: [socket('10.0.0.53')] }, 'envoy.config.cluster.v3.Cluster.dns_resolvers @ dnsResolvers'],
  [
    'resolvers as an extension',
    'cluster',
    { typedDnsResolverConfig: named('e.network.dns_resolver.cares.v3.CaresDnsResolverConfig') },
    'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig @ typedDnsResolverConfig.typedConfig',
  ],
  [
    'traces by UDP',
    'listener',
    withHttp({ tracing: { provider: named('envoy.config.trace.v3.XRayConfig') } }),
    `envoy.config.trace.v3.XRayConfig @ ${FILTER}.tracing.provider.typedConfig`,
  ],
  [
    'wherever the client wanted',
    'cluster',
    { type: 'ORIGINAL_DST' },
    'envoy.extensions.clusters.original_dst.v3.OriginalDstCluster @ type',
  ],
  [
    'wherever the client wanted, by name',
    'cluster',
    { clusterType: { name: 'envoy.cluster.original_dst' } },
    'envoy.config.cluster.v3.Cluster.CustomClusterType.name @ clusterType.name',
  ],
  [
    'wherever the client wanted, behind another type',
    'cluster',
    { clusterType: { name: 'envoy.cluster.original_dst', typedConfig: any('e.filters.http.cors.v3.Cors') } },
    'envoy.config.cluster.v3.Cluster.CustomClusterType.name @ clusterType.name',
  ],
  [
    'a forward proxy',
    'cluster',
    { clusterType: named('e.clusters.dynamic_forward_proxy.v3.ClusterConfig') },
    'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig @ clusterType.typedConfig',
  ],
  [
    'a forward proxy by filter state',
    'listener',
    withFilters(
      named('e.filters.network.set_filter_state.v3.Config', {
        onNewConnection: setting('envoy.upstream.dynamic_host')['onRequestHeaders'] ?? [],
      }),
    ),
    `${STATE} @ ${FILTER}.onNewConnection.0.objectKey`,
  ],
  [
    'a cluster by a header',
    'listener',
    withRoute({ route: { clusterHeader: 'x-to' } }),
    `envoy.config.route.v3.RouteAction.cluster_header @ ${ROUTE}.route.clusterHeader`,
  ],
  [
    'a weighted cluster by a header',
    'listener',
    withRoute({ route: { weightedClusters: { clusters: [{ clusterHeader: 'x', weight: 1 }] } } }),
    `envoy.config.route.v3.WeightedCluster.ClusterWeight.cluster_header @ ${ROUTE}.route.weightedClusters.clusters.0.clusterHeader`,
  ],
  [
    'a mirror by a header',
    'routes',
    { requestMirrorPolicies: [{ clusterHeader: 'x' }] },
    'envoy.config.route.v3.RouteAction.RequestMirrorPolicy.cluster_header @ requestMirrorPolicies.0.clusterHeader',
  ],
  [
    'Thrift’s cluster by a header',
    'listener',
    withFilters(
      named('e.filters.network.thrift_proxy.v3.ThriftProxy', {
        routeConfig: { routes: [{ match: { methodName: '' }, route: { clusterHeader: 'x' } }] },
      }),
    ),
    `envoy.extensions.filters.network.thrift_proxy.v3.RouteAction.cluster_header @ ${FILTER}.routeConfig.routes.0.route.clusterHeader`,
  ],
  [
    'a cluster by the server’s name',
    'listener',
    withFilters(named('e.filters.network.sni_cluster.v3.SniCluster')),
    `envoy.extensions.filters.network.sni_cluster.v3.SniCluster @ ${FILTER}`,
  ],
  [
    'a cluster by filter state',
    'listener',
    withHttp({}, named('e.filters.http.set_filter_state.v3.Config', setting('envoy.tcp_proxy.cluster'))),
    `${STATE} @ ${HTTP_FILTER}.onRequestHeaders.0.objectKey`,
  ],
  [
    'CONNECT',
    'listener',
    withHttp({ upgradeConfigs: [{ upgradeType: 'Connect' }] }),
    `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig.upgrade_type @ ${FILTER}.upgradeConfigs.0.upgradeType`,
  ],
  [
    'CONNECT of a route',
    'listener',
    withRoute({ route: { cluster: 'c', upgradeConfigs: [{ upgradeType: 'CONNECT-UDP' }] } }),
    `envoy.config.route.v3.RouteAction.UpgradeConfig.upgrade_type @ ${ROUTE}.route.upgradeConfigs.0.upgradeType`,
  ],
  [
    'CONNECT that ends here',
    'listener',
    withRoute({ route: { cluster: 'c', upgradeConfigs: [{ upgradeType: 'x', connectConfig: {} }] } }),
    `envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig @ ${ROUTE}.route.upgradeConfigs.0.connectConfig`,
  ],
  [
    'routes for CONNECT',
    'listener',
    withRoute({ match: { connectMatcher: {} } }),
    `envoy.config.route.v3.RouteMatch.ConnectMatcher @ ${ROUTE}.match.connectMatcher`,
  ],
  // Programs, and what is the whole process's.
  ['Lua', 'listener', withHttp({}, named('e.filters.http.lua.v3.Lua')), `envoy.extensions.filters.http.lua.v3.Lua @ ${HTTP_FILTER}`],
  [
    'the node’s credentials',
    'listener',
    withHttp({}, named('e.filters.http.aws_request_signing.v3.AwsRequestSigning')),
    `envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning @ ${HTTP_FILTER}`,
  ],
  [
    'a cache for all',
    'listener',
    withHttp({}, named('e.filters.http.cache.v3.CacheConfig')),
    `envoy.extensions.filters.http.cache.v3.CacheConfig @ ${HTTP_FILTER}`,
  ],
  [
    'a limit for all',
    'listener',
    withFilters(named('e.filters.network.local_ratelimit.v3.LocalRateLimit', { shareKey: 'x' })),
    `envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit.share_key @ ${FILTER}.shareKey`,
  ],
  [
    'no limits',
    'listener',
    { ignoreGlobalConnLimit: true },
    'envoy.config.listener.v3.Listener.ignore_global_conn_limit @ ignoreGlobalConnLimit',
  ],
  [
    'what policies’ filters say to each other',
    'listener',
    withHttp({}, named('e.filters.http.set_metadata.v3.Config', { metadata: [{ metadataNamespace: 'sluice.slot', value: {} }] })),
    `envoy.extensions.filters.http.set_metadata.v3.Metadata.metadata_namespace @ ${HTTP_FILTER}.metadata.0.metadataNamespace`,
  ],
  ...FILTER_NAME_TRIES,
  // What nobody can look into.
  [
    'JSON for whatever takes it',
    'cluster',
    { typedExtensionProtocolOptions: { x: any('google.protobuf.Struct', { value: { httpFilters: [] } }) } },
    'google.protobuf.Struct @ typedExtensionProtocolOptions.x',
  ],
  [
    'a message that says it is another',
    'listener',
    withHttp({}, named('xds.type.v3.TypedStruct')),
    `xds.type.v3.TypedStruct @ ${HTTP_FILTER}`,
  ],
  [
    'a message that is no extension',
    'listener',
    withHttp({}, named('envoy.config.bootstrap.v3.Bootstrap')),
    `envoy.config.bootstrap.v3.Bootstrap @ ${HTTP_FILTER}`,
  ],
];

/** What any config may say. */
export const ORDINARY: readonly (readonly [string, Kind, JsonObject])[] = [
  ['HTTP', 'listener', withRoute({ route: { cluster: 'c', upgradeConfigs: [{ upgradeType: 'websocket' }] } })],
  ['TCP', 'listener', withFilters(named('e.filters.network.tcp_proxy.v3.TcpProxy', { statPrefix: 'x', cluster: 'c' }))],
  ['TLS', 'listener', { filterChains: [tls({ validationContext: { systemRootCerts: {} } })] }],
  ['an internal listener', 'listener', { address: { envoyInternalAddress: { serverListenerName: 'l' } }, internalListener: {} }],
  ['endpoints of an internal listener', 'endpoints', withEndpoint({ address: { envoyInternalAddress: { serverListenerName: 'l' } } })],
  ['endpoints', 'endpoints', withEndpoint({ address: socket('10.1.2.3') })],
  ['names', 'cluster', { type: 'STRICT_DNS', loadAssignment: withEndpoint({ address: socket('example.com') }) }],
  ['clusters of clusters', 'cluster', { clusterType: named('e.clusters.aggregate.v3.ClusterConfig', { clusters: ['a'] }) }],
  ['a known kind by name', 'cluster', { clusterType: { name: 'envoy.cluster.strict_dns' } }],
  [
    'authorization by a cluster',
    'listener',
    withHttp({}, named('e.filters.http.ext_authz.v3.ExtAuthz', { grpcService: { envoyGrpc: { clusterName: 'c' } } })),
  ],
  ['resources of ours', 'listener', withHttp({ rds: { routeConfigName: 'r', configSource: { ads: {} } } })],
  ['a key of the user’s', 'listener', withHttp({}, named('e.filters.http.set_filter_state.v3.Config', setting('my.key')))],
  [
    'the upstream’s name by filter state',
    'listener',
    withHttp({}, named('e.filters.http.set_filter_state.v3.Config', setting('envoy.network.upstream_server_name'))),
  ],
  ['the environment in other words', 'routes', { responseHeadersToAdd: [{ header: { key: 'a', value: 'ENVIRONMENT(A) %START_TIME%' } }] }],
  [
    'a choice of operators',
    'routes',
    { requestHeadersToAdd: [{ header: { key: 'a', value: '%COALESCE({"operators":["START_TIME"]})%' } }] },
  ],
  [
    'SPIFFE',
    'secret',
    {
      validationContext: {
        customValidatorConfig: {
          name: 'envoy.tls.cert_validator.spiffe',
          typedConfig: any('e.transport_sockets.tls.v3.SPIFFECertValidatorConfig'),
        },
      },
    },
  ],
  ['metadata', 'routes', { metadata: { filterMetadata: { 'envoy.lb': { a: '1' } } } }],
  [
    'retries',
    'routes',
    { virtualHosts: [{ name: 'v', domains: ['*'], retryPolicyTypedConfig: any('envoy.config.route.v3.RetryPolicy') }] },
  ],
];
