import { reflect } from '@bufbuild/protobuf/reflect';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Cluster, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { UpstreamTlsContextSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '@sluice/envoy-protos/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { below, type Path } from './messages/path.ts';
import { walkMessage } from './messages/walk-message.ts';

/** Whether a cluster sends by TLS what it is given, as it is given. */
export function beginsTlsItself(cluster: Cluster): boolean {
  return sendsByTls(cluster) && tlsNotPlain(cluster).length === 0;
}

/** Whether it begins TLS for anybody, in whatever way. */
export function mayBeginTls(cluster: Cluster): boolean {
  if (!cluster.transportSocket && cluster.transportSocketMatches.length === 0) return false;
  let isFound = false;
  walkMessage(reflect(ClusterSchema, cluster), envoyRegistry(), ({ desc }) => {
    isFound ||= desc.typeName === UpstreamTlsContextSchema.typeName;
    return false;
  });
  return isFound;
}

/** Fields of a cluster that begins TLS by which it may send something else than it is given, or not always by TLS. */
export function tlsNotPlain(cluster: Cluster): readonly Path[] {
  const { transportSocketMatches, transportSocketMatcher, clusterDiscoveryType, filters, upstreamConfig } = cluster;
  const options = Object.entries(cluster.typedExtensionProtocolOptions).flatMap(([key, each]) => {
    const read = anyUnpack(each, HttpProtocolOptionsSchema);
    const path = below(below(undefined, 'typedExtensionProtocolOptions'), key);
    return !read ? [path] : read.httpFilters.length > 0 ? [below(path, 'httpFilters')] : [];
  });
  const found: readonly (readonly [isThere: boolean, field: string])[] = [
    [!sendsByTls(cluster) && transportSocketMatches.length === 0, 'transportSocket'],
    [transportSocketMatches.length > 0, 'transportSocketMatches'],
    [transportSocketMatcher !== undefined, 'transportSocketMatcher'],
    [clusterDiscoveryType.case === 'clusterType', 'clusterType'],
    [filters.length > 0, 'filters'],
    [upstreamConfig !== undefined, 'upstreamConfig'],
  ];
  return [...found.filter(([isThere]) => isThere).map(([, field]) => below(undefined, field)), ...options];
}

function sendsByTls({ transportSocket }: Cluster): boolean {
  const config = transportSocket?.configType;
  return config?.case === 'typedConfig' && anyUnpack(config.value, UpstreamTlsContextSchema) !== undefined;
}
