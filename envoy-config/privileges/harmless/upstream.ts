import type { HarmlessGroup } from './group.ts';

/** Clusters: where they lead, and which of their endpoints is taken. */
export const HARMLESS_UPSTREAM: readonly HarmlessGroup[] = [
  {
    why: 'leads to clusters, or to endpoints that the kernel judges one by one, whoever names them',
    messages: [
      'envoy.extensions.clusters.aggregate.v3.ClusterConfig',
      'envoy.extensions.clusters.composite.v3.ClusterConfig',
      'envoy.extensions.clusters.dns.v3.DnsCluster',
      'envoy.extensions.clusters.mcp_multicluster.v3.ClusterConfig',
      'envoy.extensions.clusters.redis.v3.RedisClusterConfig',
    ],
  },
  {
    why: 'chooses among the endpoints that a cluster has anyhow',
    messages: [
      'envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin',
      'envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided',
      'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest',
      'envoy.extensions.load_balancing_policies.load_aware_locality.v3.LoadAwareLocality',
      'envoy.extensions.load_balancing_policies.maglev.v3.Maglev',
      'envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost',
      'envoy.extensions.load_balancing_policies.random.v3.Random',
      'envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash',
      'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin',
      'envoy.extensions.load_balancing_policies.subset.v3.Subset',
      'envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality',
      'envoy.extensions.queue_policy.fifo.v3.FifoQueuePolicyConfig',
      'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate',
      'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig',
      'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
      'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
    ],
  },
  {
    why: 'chooses among clusters that it names itself',
    messages: [
      'envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction',
      'envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier',
      'envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier',
      'envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupsOverride',
    ],
  },
  {
    why: 'says how a cluster speaks to its endpoints',
    messages: [
      'envoy.extensions.early_data.v3.DefaultEarlyDataPolicy',
      'envoy.extensions.upstreams.http.generic.v3.GenericConnectionPoolProto',
      'envoy.extensions.upstreams.http.http.v3.HttpConnectionPoolProto',
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      'envoy.extensions.upstreams.tcp.generic.v3.GenericConnectionPoolProto',
      'envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions',
    ],
  },
  {
    why: 'asks a cluster’s own endpoints for their health, by connections of the cluster',
    messages: [
      'envoy.config.core.v3.HealthCheck.GrpcHealthCheck',
      'envoy.config.core.v3.HealthCheck.HttpHealthCheck',
      'envoy.config.core.v3.HealthCheck.TcpHealthCheck',
      'envoy.extensions.health_checkers.redis.v3.Redis',
      'envoy.extensions.health_checkers.thrift.v3.Thrift',
    ],
  },
  {
    why: 'is read by whoever chooses an endpoint, or sent to it',
    messages: ['envoy.config.core.v3.PerHostConfig', 'envoy.data.core.v3.TlvsMetadata'],
  },
];
