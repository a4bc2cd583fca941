import { isMessage, type Message } from '@bufbuild/protobuf';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { ReferenceKind, ResourceKind } from './references/meaning.ts';

/** What a config may hold, in the order in which Envoy needs it. */
export const RESOURCE_KINDS: readonly ResourceKind[] = ['cluster', 'endpoints', 'secret', 'route-configuration', 'listener'];

/** The name of each kind's message in Envoy's API, and the field, as JSON has it, that a resource has its name in. */
export const NAMED_BY: Readonly<Record<ResourceKind, { readonly typeName: string; readonly field: string }>> = {
  cluster: { typeName: ClusterSchema.typeName, field: 'name' },
  endpoints: { typeName: ClusterLoadAssignmentSchema.typeName, field: 'clusterName' },
  secret: { typeName: SecretSchema.typeName, field: 'name' },
  'route-configuration': { typeName: RouteConfigurationSchema.typeName, field: 'name' },
  listener: { typeName: ListenerSchema.typeName, field: 'name' },
};

/** What a resource is; undefined for a message of another type. */
export function resourceKindOf(message: Message): ResourceKind | undefined {
  return RESOURCE_KINDS.find((type) => NAMED_BY[type].typeName === message.$typeName);
}

export function nameOf(message: Message): string {
  if (isMessage(message, ClusterLoadAssignmentSchema)) return message.clusterName;
  const named = isMessage(message, ClusterSchema) || isMessage(message, SecretSchema) || isMessage(message, RouteConfigurationSchema);
  return named || isMessage(message, ListenerSchema) ? message.name : '';
}

const KINDS: ReadonlySet<string> = new Set(RESOURCE_KINDS);

export function isResourceKind(kind: ReferenceKind): kind is ResourceKind {
  return KINDS.has(kind);
}

export function typeUrlOfKind(kind: ResourceKind): string {
  return `type.googleapis.com/${NAMED_BY[kind].typeName}`;
}
