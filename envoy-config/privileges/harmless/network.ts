import type { HarmlessGroup } from './group.ts';

/** Filters of connections, and transport sockets. */
export const HARMLESS_NETWORK: readonly HarmlessGroup[] = [
  {
    why: 'limits, judges or answers a connection that is there already',
    messages: [
      'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit',
      'envoy.extensions.filters.network.direct_response.v3.Config',
      'envoy.extensions.filters.network.echo.v3.Echo',
      'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit',
      'envoy.extensions.filters.network.rbac.v3.RBAC',
      'envoy.extensions.filters.network.tcp_bandwidth_limit.v3.TcpBandwidthLimit',
    ],
  },
  {
    why: 'goes on by one of the config’s clusters, so the kernel judges the connection',
    messages: [
      'envoy.extensions.filters.network.dubbo_proxy.router.v3.Router',
      'envoy.extensions.filters.network.dubbo_proxy.v3.DubboProxy',
      'envoy.extensions.filters.network.ext_authz.v3.ExtAuthz',
      'envoy.extensions.filters.network.ext_proc.v3.NetworkExternalProcessor',
      'envoy.extensions.filters.network.generic_proxy.action.v3.RouteAction',
      'envoy.extensions.filters.network.generic_proxy.codecs.dubbo.v3.DubboCodecConfig',
      'envoy.extensions.filters.network.generic_proxy.codecs.http1.v3.Http1CodecConfig',
      'envoy.extensions.filters.network.generic_proxy.router.v3.Router',
      'envoy.extensions.filters.network.generic_proxy.v3.GenericProxy',
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy',
      'envoy.extensions.filters.network.ratelimit.v3.RateLimit',
      'envoy.extensions.filters.network.redis_proxy.v3.RedisProtocolOptions',
      'envoy.extensions.filters.network.redis_proxy.v3.RedisProxy',
      'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      'envoy.extensions.filters.network.thrift_proxy.filters.header_to_metadata.v3.HeaderToMetadata',
      'envoy.extensions.filters.network.thrift_proxy.filters.payload_to_metadata.v3.PayloadToMetadata',
      'envoy.extensions.filters.network.thrift_proxy.filters.ratelimit.v3.RateLimit',
      'envoy.extensions.filters.network.thrift_proxy.router.v3.Router',
      'envoy.extensions.filters.network.thrift_proxy.v3.ThriftProtocolOptions',
      'envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy',
      'envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy',
    ],
  },
  {
    why: 'reads what comes first on a connection, and leaves its addresses as they are',
    messages: [
      'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
      'envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit',
      'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
    ],
  },
  {
    why: 'sets what other filters read; keys by which Envoy chooses addresses, clusters or socket options are looked at',
    messages: [
      'envoy.extensions.filters.listener.set_filter_state.v3.Config',
      'envoy.extensions.filters.network.set_filter_state.v3.Config',
    ],
  },
  {
    why: 'wraps what is sent on a connection of a cluster or listener, and opens none itself',
    messages: [
      'envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport',
      'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
      'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
      'envoy.extensions.transport_sockets.tcp_stats.v3.Config',
      'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    ],
  },
  {
    why: 'says which peers a listener or cluster of this config trusts',
    messages: ['envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig'],
  },
];
