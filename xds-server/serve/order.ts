import type { Published } from './cache.ts';
import type { NodeMemory } from './node-memory.ts';
import type { ResourceName } from './resource.ts';
import type { TypeState } from './type-state.ts';
import {
  ADDRESS_TYPE,
  ENDPOINTS_TYPE,
  LISTENER_TYPE,
  mayRequire,
  NODE_ENDPOINTS_TYPE,
  precedes,
  ROUTES_TYPE,
  SCOPED_ROUTES_TYPE,
  SUBJECT_POLICY_TYPE,
} from './types.ts';
import type { View } from './view.ts';

/** What the order of one stream's updates depends on. */
export interface StreamState {
  readonly types: ReadonlyMap<string, TypeState>;
  readonly view: View;
  readonly node: NodeMemory;
}

/**
 * Whether a resource must wait because the client has not yet accepted what must precede it. Only answers of this client to
 * this stream are waited for, and only downwards in rank, so nothing waits in a circle.
 */
export function mustWait(stream: StreamState, state: TypeState, target: Published): boolean {
  const { resource, revision } = target;
  if (resource.requires.some((required) => precedes(required, state.typeUrl) && !isInPlace(stream, required, revision))) return true;
  switch (state.typeUrl) {
    // Routes that leave one shard for another must be found in the new one before they are gone from the old one.
    case ROUTES_TYPE:
      return state.held.has(resource.name) && isPending(stream, POINTERS, revision);
    // An address must not become somebody's before what is said about them is in place.
    case ADDRESS_TYPE:
      return isPending(stream, POLICIES, revision);
    // Whoever gets its endpoints has everything that these are judged by.
    case NODE_ENDPOINTS_TYPE:
      return isPending(stream, JUDGED_BY, revision);
    default:
      return false;
  }
}

/** Whether the client accepted the resource as it was at a revision or later, or cannot be expected to. */
function isInPlace(stream: StreamState, { typeUrl, name }: ResourceName, revision: number): boolean {
  const state = stream.types.get(typeUrl);
  const current = stream.view.published(typeUrl, name);
  if (!state?.covers(name) || !current || isRejected(stream, current)) return true;
  const held = state.held.get(name);
  if (held?.kind !== 'published') return false;
  if (held.resource.version !== current.resource.version && held.revision < Math.min(current.revision, revision)) return false;
  return !state.settling.has(name) || dependentsInPlace(stream, held, true);
}

export function isRejected({ node }: StreamState, { resource }: Published): boolean {
  return node.rejected.get(resource.typeUrl, resource.name)?.version === resource.version;
}

const POINTERS = [LISTENER_TYPE, SCOPED_ROUTES_TYPE];
const POLICIES = [SUBJECT_POLICY_TYPE];
const JUDGED_BY = [SUBJECT_POLICY_TYPE, ADDRESS_TYPE];

/** Whether the client has yet to answer a resource of these types that is no newer than a revision. */
function isPending(stream: StreamState, typeUrls: readonly string[], revision: number): boolean {
  return typeUrls.some((typeUrl) => {
    const state = stream.types.get(typeUrl);
    if (!state) return false;
    const isOlder = (name: string) => {
      const current = stream.view.published(typeUrl, name);
      return current !== undefined && current.revision <= revision && !isRejected(stream, current);
    };
    return (
      state.dirty.values().some(isOlder) ||
      state.settling.keys().some(isOlder) ||
      state.suspects.some((names) => names.some(isOlder)) ||
      (state.inFlight?.entries.keys().some(isOlder) ?? false)
    );
  });
}

/**
 * Whether the client has what it asks for only after it got this resource: the endpoints of a cluster, the routes of a
 * scope. For names that it has not asked for, that is given some time.
 * @param patient whether that time is not over
 */
export function dependentsInPlace(stream: StreamState, entry: Published, patient: boolean): boolean {
  const { resource } = entry;
  return resource.requires.every(({ typeUrl, name }) => {
    if (precedes({ typeUrl, name }, resource.typeUrl)) return true;
    const state = stream.types.get(typeUrl);
    const current = stream.view.published(typeUrl, name);
    // It will not get this; if there is a newer version of what requires it, that one counts.
    if (!current || isRejected(stream, current)) return !isSuperseded(stream, entry);
    if (!state?.covers(name)) return !patient;
    // Of other types, any version will do.
    return state.held.has(name) && !(typeUrl === ENDPOINTS_TYPE && stream.node.owed.get(typeUrl, name)?.has(resource.name));
  });
}

function isSuperseded(stream: StreamState, { resource }: Published): boolean {
  const current = stream.view.published(resource.typeUrl, resource.name);
  return current !== undefined && current.resource.version !== resource.version && !isRejected(stream, current);
}

/**
 * Notes that the client has a resource, and whether what it requires is yet to follow.
 * @param until when to stop waiting for that, in milliseconds of the clock; undefined to not wait at all
 */
export function settle(stream: StreamState, state: TypeState, entry: Published, until: number | undefined): void {
  const { name } = entry.resource;
  state.held.set(name, entry);
  if (until === undefined || dependentsInPlace(stream, entry, true)) state.settling.delete(name);
  else state.settling.set(name, until);
}

/** Names of one type that the client still needs. */
export interface Needed {
  has(name: string): boolean;
}

const EVERYTHING: Needed = { has: () => true };

/**
 * Names of a type that something requires which the client has, or may have, and which is no longer what it should have.
 * What the client has and should have requires nothing that is absent, so nothing else need be looked at.
 */
export function neededByStale(stream: StreamState, typeUrl: string): Needed {
  const needed = new Set<string>();
  const require = ({ resource }: Published) => {
    for (const required of resource.requires) if (required.typeUrl === typeUrl) needed.add(required.name);
  };
  for (const state of stream.types.values()) {
    if (!mayRequire(state.typeUrl, typeUrl)) continue;
    for (const entry of [...state.doubtful.values()].flat()) require(entry);
    for (const entry of state.inFlight?.entries.values() ?? []) if (entry) require(entry);
    for (const name of staleNames(stream, state)) {
      const held = state.held.get(name);
      if (held?.kind === 'claimed') return EVERYTHING;
      if (held) require(held);
    }
  }
  return needed;
}

function* staleNames({ node }: StreamState, state: TypeState): Iterable<string> {
  yield* state.dirty;
  yield* state.retiring;
  for (const names of state.suspects) yield* names;
  yield* node.rejected.of(state.typeUrl).keys();
  if (state.inFlight) yield* state.inFlight.entries.keys();
}
