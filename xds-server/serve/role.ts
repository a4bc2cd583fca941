import { create, toBinary } from '@bufbuild/protobuf';
import { type Metadata, MetadataSchema, type Node } from '@sluice/envoy-protos/envoy/config/core/v3/base_pb.js';
import type { Resource, ResourceName } from './resource.ts';

/**
 * Who is at the other end of a stream.
 * - `client`: who uses the resources, such as Envoy.
 * - `relay`: who hands them on, and answers when the client behind it has answered.
 * - `standby`: a relay with no client behind it at the moment, which takes everything and says nothing about what is in force.
 *
 * A relay is told with each resource what it requires, so that it can keep the order of a change too.
 */
export type Role = 'client' | 'relay' | 'standby';

/** What a relay says among the `client_features` of its node. */
const FEATURES = { relay: 'sluice.relay', standby: 'sluice.relay.standby' } as const;
/** Where in a resource's metadata it stands what the resource requires: a list of names by type URL. */
const REQUIRES = 'sluice.requires';

export function roleOf(node: Node | undefined): Role {
  if (node?.clientFeatures.includes(FEATURES.standby)) return 'standby';
  return node?.clientFeatures.includes(FEATURES.relay) ? 'relay' : 'client';
}

/** What makes `roleOf` see the role. */
export function featuresOf(role: Role): string[] {
  return role === 'client' ? [] : [FEATURES[role]];
}

const written = new WeakMap<Resource, Uint8Array>();

/** An encoded `envoy.config.core.v3.Metadata`, made once for each resource; undefined if it requires nothing. */
export function encodeRequires(resource: Resource): Uint8Array | undefined {
  if (resource.requires.length === 0) return undefined;
  const known = written.get(resource);
  if (known) return known;
  const byType: Record<string, string[]> = {};
  for (const { typeUrl, name } of resource.requires) {
    byType[typeUrl] ??= [];
    byType[typeUrl].push(name);
  }
  const bytes = toBinary(MetadataSchema, create(MetadataSchema, { filterMetadata: { [REQUIRES]: byType } }));
  written.set(resource, bytes);
  return bytes;
}

export function readRequires(metadata: Metadata | undefined): ResourceName[] {
  return Object.entries(metadata?.filterMetadata[REQUIRES] ?? {}).flatMap(([typeUrl, names]) =>
    Array.isArray(names) ? names.flatMap((name) => (typeof name === 'string' ? [{ typeUrl, name }] : [])) : [],
  );
}
