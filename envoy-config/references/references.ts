import { type FileRegistry, isMessage } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import { Cluster_DiscoveryType, ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { below, type Path } from '../messages/path.ts';
import { walkMessage } from '../messages/walk-message.ts';
import type { ReferenceKind } from './meaning.ts';
import { type ReferringField, referringFields } from './naming-fields.ts';

export interface Reference {
  readonly to: ReferenceKind;
  /** Never empty: an empty name names nothing. */
  readonly name: string;
  /** Of the string; for the key of a map, that of its value. */
  readonly path: Path;
  /** It is not written, but follows from the name of the cluster that it stands in. */
  readonly implied?: true;
}

/**
 * Gives every name that refers to something a new one, in a message and all in it, whatever is in an Any that the registry knows included.
 * Where the new names of two keys of a map are one, the later entry stays.
 * @returns whether anything changed
 */
export function rewriteReferences(message: ReflectMessage, registry: FileRegistry, rename: (reference: Reference) => string): boolean {
  return walkMessage(message, registry, (at, path) => renameAll(at, path, rename));
}

/**
 * Every name in a message by which it refers to something, and the one that it does not say: a cluster with discovered endpoints takes those of
 * its own name where it gives no other. That has the path of the cluster's name, and follows it when it changes.
 */
export function referencesIn(message: ReflectMessage, registry: FileRegistry): readonly Reference[] {
  const all: Reference[] = [];
  walkMessage(message, registry, (at, path) => {
    renameAll(at, path, (reference) => {
      all.push(reference);
      return reference.name;
    });
    all.push(...impliedBy(at, path));
    return false;
  });
  return all;
}

function impliedBy({ message }: ReflectMessage, path: Path): readonly Reference[] {
  if (!isMessage(message, ClusterSchema)) return [];
  const { clusterDiscoveryType: discovery, edsClusterConfig, name } = message;
  if (discovery.case !== 'type' || discovery.value !== Cluster_DiscoveryType.EDS) return [];
  if (edsClusterConfig?.serviceName || name === '') return [];
  return [{ to: 'endpoints', name, path: below(path, 'name'), implied: true }];
}

function renameAll(message: ReflectMessage, path: Path, rename: (reference: Reference) => string): boolean {
  let changed = false;
  for (const referring of referringFields(message.desc)) {
    if (!message.isSet(referring.field) || (referring.onlyWith && !message.isSet(referring.onlyWith))) continue;
    if (renameField(message, referring, below(path, referring.field.jsonName), rename)) changed = true;
  }
  return changed;
}

function renameField(
  message: ReflectMessage,
  { field, to }: ReferringField,
  path: Path,
  rename: (reference: Reference) => string,
): boolean {
  const renamed = (name: unknown, at: Path) => (typeof name === 'string' && name !== '' ? rename({ to, name, path: at }) : name);
  let changed = false;
  if (field.fieldKind === 'scalar') {
    const was = message.get(field);
    const is = renamed(was, path);
    changed = is !== was;
    if (changed) message.set(field, is);
  } else if (field.fieldKind === 'list') {
    const list = message.get(field);
    for (const [index, was] of [...list].entries()) {
      const is = renamed(was, below(path, index));
      if (is === was) continue;
      changed = true;
      list.set(index, is);
    }
  } else if (field.fieldKind === 'map') {
    const map = message.get(field);
    const was = [...map];
    const is = was.map(([key, value]) => [renamed(key, below(path, String(key))), value] as const);
    changed = is.some(([key], index) => key !== was[index]?.[0]);
    if (changed) {
      map.clear();
      for (const [key, value] of is) map.set(key, value);
    }
  }
  return changed;
}
