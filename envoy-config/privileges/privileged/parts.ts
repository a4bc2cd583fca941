import type { PrivilegedGroup } from './privilege.ts';

/** Messages that are privileged wherever they stand, most of them parts of harmless ones. */
export const PRIVILEGED_PARTS: readonly PrivilegedGroup[] = [
  {
    why: 'marks, addresses and devices of a socket say whose a connection is',
    never: true,
    names: [
      'envoy.config.core.v3.BindConfig',
      'envoy.config.core.v3.ExtraSourceAddress',
      'envoy.config.core.v3.SocketOption',
      'envoy.config.core.v3.SocketOptionsOverride',
    ],
  },
  {
    why: 'no policy judges a Unix socket, and the node’s daemons and Envoy’s admin interface listen on some',
    never: true,
    names: ['envoy.config.core.v3.Pipe'],
  },
  {
    why: 'what another server sends is looked at by nobody',
    never: true,
    names: ['envoy.config.core.v3.ApiConfigSource'],
  },
  {
    why: 'filters that are served by themselves are those by which policies are enforced',
    never: true,
    names: ['envoy.config.core.v3.ExtensionConfigSource'],
  },
  {
    why: 'it reads or writes files of the node',
    names: [
      'envoy.config.core.v3.PathConfigSource',
      'envoy.config.core.v3.WatchedDirectory',
      'envoy.extensions.transport_sockets.tls.v3.TlsKeyLog',
    ],
  },
  { why: 'it reads the environment of the node’s Envoy', names: ['envoy.type.tracing.v3.CustomTag.Environment'] },
  {
    why: 'it speaks as the node: with its credentials for the cloud, or keys that are not the config’s',
    names: [
      'envoy.extensions.common.aws.v3.AwsCredentialProvider',
      'envoy.extensions.filters.network.redis_proxy.v3.AwsIam',
      'envoy.extensions.transport_sockets.tls.v3.CertificateProviderPluginInstance',
      'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProvider',
      'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProviderInstance',
      'envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider',
    ],
  },
  {
    why: 'it opens sockets of its own, which are not a cluster’s and which the kernel takes for the node’s',
    names: ['envoy.config.core.v3.DnsResolutionConfig', 'envoy.config.core.v3.GrpcService.GoogleGrpc'],
  },
  {
    why: 'it speaks UDP, which is not judged by whose it is',
    names: ['envoy.config.listener.v3.QuicProtocolOptions', 'envoy.config.listener.v3.UdpListenerConfig'],
  },
  {
    why: 'the client chooses where it leads, so that nobody can say beforehand; each connection is judged all the same',
    names: ['envoy.config.cluster.v3.Cluster.OriginalDstLbConfig'],
  },
  {
    why: 'what goes through it is no longer HTTP, so that no rule sees it',
    names: ['envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig', 'envoy.config.route.v3.RouteMatch.ConnectMatcher'],
  },
  {
    why: 'it asks for resources by names that clients choose, or of kinds that only another server would have',
    names: [
      'envoy.config.endpoint.v3.LedsClusterLocalityConfig',
      'envoy.config.listener.v3.Listener.FcdsConfig',
      'envoy.config.route.v3.Vhds',
      'envoy.extensions.access_loggers.filters.process_ratelimit.v3.DynamicTokenBucket',
      'envoy.extensions.filters.network.dubbo_proxy.v3.Drds',
      'envoy.extensions.filters.network.generic_proxy.v3.GenericRds',
      'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds',
      'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.OnDemand',
      'envoy.extensions.filters.network.thrift_proxy.v3.Trds',
      'xds.core.v3.Authority',
    ],
  },
  {
    why: 'what it keeps is shared by all configs of the node, without regard to whose it is',
    names: [
      'envoy.config.common.key_value.v3.KeyValueStoreConfig',
      'envoy.config.core.v3.AlternateProtocolsCacheOptions',
      'envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig',
    ],
  },
  {
    why: 'a port of every node',
    names: ['envoy.config.listener.v3.AdditionalAddress'],
  },
  {
    why: 'it is of the whole process: its start, its limits, its statistics or its admin interface',
    names: [
      'envoy.config.listener.v3.ApiListener',
      'envoy.config.listener.v3.Listener.ConnectionBalanceConfig',
      'envoy.config.listener.v3.Listener.DeprecatedV1',
    ],
  },
];
