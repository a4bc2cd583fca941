import type { ResourceName } from './resource.ts';
import type { Session } from './session.ts';
import { isWildcard, namesOf } from './subscription.ts';
import type { TypeState } from './type-state.ts';
import { traitsOf } from './types.ts';

/** What clients ask for of one type, taken together. */
export interface Interest {
  readonly wildcard: boolean;
  /** Names that are asked for, besides a wildcard. */
  readonly names: ReadonlySet<string>;
}

export const NO_INTEREST: Interest = { wildcard: false, names: new Set() };

/** By type URL. Names that a client asks for and was not granted do not count. */
export function interestOf(sessions: Iterable<Session>): Map<string, Interest> {
  const interests = new Map<string, Interest>();
  for (const { types, view } of sessions) {
    for (const { typeUrl, subscription } of types.values()) {
      const before = interests.get(typeUrl) ?? NO_INTEREST;
      interests.set(typeUrl, {
        wildcard: before.wildcard || isWildcard(subscription),
        names: new Set([...before.names, ...[...namesOf(subscription)].filter((name) => view.grants(typeUrl, name))]),
      });
    }
  }
  return interests;
}

/**
 * How the clients stand to a version of a resource.
 * - `unwanted`: none asks for it, of those that can see it.
 * - `accepted`: all that ask for it have it.
 * - `pending`: it is to be sent or to be answered.
 * - `refused`: a client refused it.
 */
export type Standing =
  | { readonly kind: 'unwanted' | 'accepted' | 'pending' }
  | { readonly kind: 'refused'; readonly version: string; readonly message: string };

/** @param version undefined for the removal */
export function standingOf(sessions: Iterable<Session>, { typeUrl, name }: ResourceName, version: string | undefined): Standing {
  let kind: 'unwanted' | 'accepted' | 'pending' = 'unwanted';
  for (const session of sessions) {
    const state = session.types.get(typeUrl);
    if (!state?.covers(name) || (version !== undefined && !session.view.published(typeUrl, name))) continue;
    const rejection = session.node.rejected.get(typeUrl, name);
    if (rejection && rejection.version === version) return { kind: 'refused', ...rejection };
    if (isPending(session, state, name, version)) kind = 'pending';
    else if (kind === 'unwanted') kind = 'accepted';
  }
  return { kind };
}

function isPending({ node }: Session, state: TypeState, name: string, version: string | undefined): boolean {
  if (state.forced.has(name) || state.inFlight?.entries.has(name) || state.suspects.some((names) => names.includes(name))) return true;
  const held = state.held.get(name);
  if (version === undefined) return held !== undefined || state.doubtful.has(name);
  return held?.kind !== 'published' || held.resource.version !== version || node.owed.get(state.typeUrl, name) !== undefined;
}

/** Names that clients of a partial cache say they have, and of which it does not know whether they exist. */
export function unknownTo(sessions: Iterable<Session>): ResourceName[] {
  const unknown: ResourceName[] = [];
  for (const { types, view } of sessions) {
    for (const { typeUrl, held } of types.values()) {
      if (!traitsOf(typeUrl).collection) continue;
      for (const name of held.keys()) if (view.isUnknown(typeUrl, name)) unknown.push({ typeUrl, name });
    }
  }
  return unknown;
}
