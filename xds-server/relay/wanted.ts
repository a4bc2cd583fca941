import { type Interest, NO_INTEREST, type SnapshotCache } from '../serve/index.ts';
import type { ClientKind } from './client-kind.ts';

/**
 * What is kept besides what clients ask for.
 * - `nothing`: they have said what they want.
 * - `cached`: they may be about to ask for what is there.
 * - `required`: nobody is there to ask, so what is there is kept up to date, with all that it requires.
 */
export type Keeping = 'nothing' | 'cached' | 'required';

/** Asking for everything of a type, in the protocol's words. */
export const WILDCARD = '*';
const EVERYTHING: Interest = { wildcard: true, names: new Set() };

/** What to ask a controller for, by type URL. Beside a wildcard there are no names. */
export function wantedOf(
  kind: ClientKind,
  cache: SnapshotCache,
  interest: ReadonlyMap<string, Interest>,
  keeping: Keeping,
): Map<string, Interest> {
  const names = new Map<string, Set<string>>();
  const want = (typeUrl: string, name: string) => {
    const known = names.get(typeUrl);
    if (known) known.add(name);
    else names.set(typeUrl, new Set([name]));
  };
  for (const [typeUrl, { names: asked }] of interest)
    names.set(typeUrl, new Set([...asked].filter((name) => !kind.isOwn({ typeUrl, name }))));
  if (keeping !== 'nothing') for (const [typeUrl, name] of namesIn(cache, keeping)) if (!kind.isOwn({ typeUrl, name })) want(typeUrl, name);
  const wanted = new Map<string, Interest>([...names].map(([typeUrl, asked]) => [typeUrl, { wildcard: false, names: asked }]));
  for (const typeUrl of wildcards(kind, cache, interest, keeping)) wanted.set(typeUrl, EVERYTHING);
  for (const typeUrl of wanted.keys()) if (kind.isOwn({ typeUrl, name: WILDCARD })) wanted.delete(typeUrl);
  return wanted;
}

function* wildcards(
  { always, whole }: ClientKind,
  cache: SnapshotCache,
  interest: ReadonlyMap<string, Interest>,
  keeping: Keeping,
): Iterable<string> {
  yield* always;
  if (keeping !== 'nothing') yield* whole.filter((typeUrl) => cache.ofType(typeUrl).size > 0);
  for (const [typeUrl, { wildcard }] of interest) if (wildcard) yield typeUrl;
}

function* namesIn(cache: SnapshotCache, keeping: Keeping): Iterable<[typeUrl: string, name: string]> {
  for (const typeUrl of cache.typeUrls()) {
    for (const [name, { resource }] of cache.ofType(typeUrl)) {
      yield [typeUrl, name];
      if (keeping === 'required') for (const required of resource.requires) yield [required.typeUrl, required.name];
    }
  }
}

export function covers({ wildcard, names }: Interest, name: string): boolean {
  return wildcard || names.has(name);
}

/** How to come from one subscription to another. */
export function differenceOf(
  before: Interest = NO_INTEREST,
  after: Interest = NO_INTEREST,
): { readonly subscribe: string[]; readonly unsubscribe: string[] } {
  const subscribe = [...after.names].filter((name) => !before.names.has(name));
  const unsubscribe = [...before.names].filter((name) => !after.names.has(name));
  if (after.wildcard && !before.wildcard) subscribe.push(WILDCARD);
  if (before.wildcard && !after.wildcard) unsubscribe.push(WILDCARD);
  return { subscribe, unsubscribe };
}
