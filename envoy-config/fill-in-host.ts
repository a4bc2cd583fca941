import { isMessage, type Message } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { GrpcService_EnvoyGrpcSchema } from '@sluice/envoy-protos/envoy/config/core/v3/grpc_service_pb.js';
import { DatadogConfigSchema } from '@sluice/envoy-protos/envoy/config/trace/v3/datadog_pb.js';
import { ZipkinConfigSchema } from '@sluice/envoy-protos/envoy/config/trace/v3/zipkin_pb.js';

/**
 * Envoy calls some servers by the name of their cluster where nobody says by which host. That of a config's cluster has slashes, which servers
 * refuse: so they get the last part of it, which is the name that was written, or the Service's.
 * @param message with names as they were written
 * @returns whether it changed the message
 */
export function fillInHost(message: Message): boolean {
  if (isMessage(message, GrpcService_EnvoyGrpcSchema)) return fill(message, 'authority', message.clusterName);
  if (isMessage(message, ZipkinConfigSchema)) return fill(message, 'collectorHostname', message.collectorCluster);
  if (isMessage(message, DatadogConfigSchema)) return fill(message, 'collectorHostname', message.collectorCluster);
  return isMessage(message, ClusterSchema) && fillInHealthChecks(message);
}

function fillInHealthChecks({ name, healthChecks }: Cluster): boolean {
  const changed = healthChecks.map(({ healthChecker: checker }) => {
    if (checker.case === 'httpHealthCheck') return fill(checker.value, 'host', name);
    return checker.case === 'grpcHealthCheck' && fill(checker.value, 'authority', name);
  });
  return changed.includes(true);
}

function fill<F extends string>(message: { [field in F]: string }, field: F, cluster: string): boolean {
  const host: string = cluster.slice(cluster.lastIndexOf('/') + 1).replace(/:.*/, '');
  if (message[field] !== '' || host === '') return false;
  Object.assign(message, { [field]: host });
  return true;
}
