import {
  type Cluster,
  type Cluster_CustomClusterType,
  Cluster_DiscoveryType,
} from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { below, type Path } from '../../messages/path.ts';
import { type PrivilegedUse, useOf } from '../privileged-use.ts';
import { EXTENSIONS } from '../tables.ts';
import { ofValue } from './of-value.ts';

const ORIGINAL_DST = 'envoy.extensions.clusters.original_dst.v3.OriginalDstCluster';

const HARMLESS_TYPES = new Set([
  'envoy.extensions.clusters.aggregate.v3.ClusterConfig',
  'envoy.extensions.clusters.composite.v3.ClusterConfig',
  'envoy.extensions.clusters.dns.v3.DnsCluster',
  'envoy.extensions.clusters.mcp_multicluster.v3.ClusterConfig',
  'envoy.extensions.clusters.redis.v3.RedisClusterConfig',
]);

const HARMLESS_NAMES = new Set([
  'envoy.cluster.dns',
  'envoy.cluster.eds',
  'envoy.cluster.logical_dns',
  'envoy.cluster.static',
  'envoy.cluster.strict_dns',
  'envoy.clusters.aggregate',
  'envoy.clusters.composite',
  'envoy.clusters.mcp_multicluster',
  'envoy.clusters.redis',
]);

/** What a cluster's enum says is the same as its type as an extension, and let in by the same name. */
export function usesOfCluster({ clusterDiscoveryType: { case: kind, value } }: Cluster, path: Path): PrivilegedUse[] {
  const privilege = EXTENSIONS.get(ORIGINAL_DST);
  if (kind !== 'type' || value !== Cluster_DiscoveryType.ORIGINAL_DST || !privilege) return [];
  return [useOf(ORIGINAL_DST, privilege, below(path, 'type'))];
}

/** Envoy looks a cluster's kind up by the type of its config, and where that is none of a cluster, or missing, by the name. */
export function usesOfClusterType({ name, typedConfig }: Cluster_CustomClusterType, path: Path): PrivilegedUse[] {
  const url = typedConfig?.typeUrl ?? '';
  const type = url.slice(url.lastIndexOf('/') + 1);
  if (HARMLESS_TYPES.has(type) || HARMLESS_NAMES.has(name)) return [];
  if (EXTENSIONS.has(type)) return []; // Refused by its type, or let in by it.
  return [ofValue('envoy.config.cluster.v3.Cluster.CustomClusterType.name', below(path, 'name'))];
}
