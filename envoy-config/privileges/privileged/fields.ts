import type { PrivilegedGroup } from './privilege.ts';

/** Fields whose use is privileged whatever they say, in messages that are not. */
export const PRIVILEGED_FIELDS: readonly PrivilegedGroup[] = [
  {
    why: 'it lets a socket have addresses that are not the node’s, or be in another’s network namespace',
    never: true,
    names: [
      'envoy.config.core.v3.SocketAddress.network_namespace_filepath',
      'envoy.config.listener.v3.Listener.freebind',
      'envoy.config.listener.v3.Listener.transparent',
    ],
  },
  {
    why: 'it reads or writes files of the node',
    names: [
      'envoy.config.core.v3.ConfigSource.path',
      'envoy.config.core.v3.DataSource.filename',
      'envoy.config.core.v3.HealthCheck.event_log_path',
      'envoy.extensions.filters.http.grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder.descriptor_path',
      'envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder.proto_descriptor',
      'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy.access_log',
      'envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy.access_log',
    ],
  },
  { why: 'it reads the environment of the node’s Envoy', names: ['envoy.config.core.v3.DataSource.environment_variable'] },
  {
    why: 'it opens sockets of its own, which are not a cluster’s and which the kernel takes for the node’s',
    names: ['envoy.config.cluster.v3.Cluster.dns_resolvers', 'envoy.config.core.v3.SocketAddress.resolver_name'],
  },
  {
    why: 'the client chooses where it leads, so that nobody can say beforehand; each connection is judged all the same',
    names: [
      'envoy.config.listener.v3.Listener.use_original_dst',
      'envoy.config.route.v3.RouteAction.RequestMirrorPolicy.cluster_header',
      'envoy.config.route.v3.RouteAction.cluster_header',
      'envoy.config.route.v3.WeightedCluster.ClusterWeight.cluster_header',
      'envoy.extensions.filters.network.thrift_proxy.v3.RouteAction.cluster_header',
      'envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier.override_metadata_namespace',
    ],
  },
  {
    why: 'the client says itself which address it has, and rules and source addresses would go by it',
    names: ['envoy.config.listener.v3.FilterChain.use_proxy_proto'],
  },
  {
    why: 'what it keeps is shared by all configs of the node, without regard to whose it is',
    names: ['envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit.share_key'],
  },
  {
    why: 'how a listener listens is the node’s matter',
    names: [
      'envoy.config.listener.v3.Listener.bind_to_port',
      'envoy.config.listener.v3.Listener.enable_mptcp',
      'envoy.config.listener.v3.Listener.enable_reuse_port',
      'envoy.config.listener.v3.Listener.reuse_port',
      'envoy.config.listener.v3.Listener.tcp_fast_open_queue_length',
    ],
  },
  {
    why: 'it takes a listener out of the limits that keep the node’s Envoy alive',
    names: ['envoy.config.listener.v3.Listener.bypass_overload_manager', 'envoy.config.listener.v3.Listener.ignore_global_conn_limit'],
  },
];
