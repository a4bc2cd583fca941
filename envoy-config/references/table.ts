import { CLUSTER_NAMES } from './clusters.ts';
import { DISCOVERED_FILTERS, FOREIGN_NAMES } from './foreign.ts';
import type { Meaning, ReferenceKind } from './meaning.ts';
import { OTHER_FIELDS } from './others/by-field.ts';
import { DEFINITIONS, ENDPOINTS_NAMES, LISTENER_NAMES, ROUTE_CONFIGURATION_NAMES, SECRET_NAMES } from './resources.ts';
import { SHARED_NAMES } from './shared.ts';

/** What each field (`package.Message.field`) that names a resource, or sounds so, is. */
export const MEANINGS: ReadonlyMap<string, Meaning> = unique([
  ...references('cluster', CLUSTER_NAMES),
  ...references('endpoints', ENDPOINTS_NAMES),
  ...references('listener', LISTENER_NAMES),
  ...references('route-configuration', ROUTE_CONFIGURATION_NAMES),
  ...references('secret', SECRET_NAMES),
  ...references('shared', SHARED_NAMES),
  ...[...FOREIGN_NAMES].flatMap(([to, fields]) => references(to, fields)),
  ...DISCOVERED_FILTERS.map(discoveredBy),
  ...Object.entries(DEFINITIONS).map(([field, of]): Entry => [field, { kind: 'definition', of }]),
  ...Object.entries(OTHER_FIELDS).flatMap(([why, fields]) => fields.map((field): Entry => [field, { kind: 'other', why }])),
]);

type Entry = readonly [field: string, meaning: Meaning];

function references(to: ReferenceKind, fields: readonly string[]): readonly Entry[] {
  return fields.map((field) => [field, { kind: 'reference', to }]);
}

function discoveredBy(filter: string): Entry {
  return [`${filter}.name`, { kind: 'reference', to: 'extension-config', onlyWith: 'config_discovery' }];
}

function unique(all: readonly Entry[]): ReadonlyMap<string, Meaning> {
  const meanings = new Map(all);
  if (meanings.size !== all.length) throw new Error('a field is classified twice');
  return meanings;
}
