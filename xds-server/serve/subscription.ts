/**
 * What a client asks for of one type. The two ways to ask for everything differ in how they end: the one that was asked for
 * by naming nothing ends, in the state of the world, with the first name.
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return
 */
export type Subscription =
  | { readonly kind: 'none' }
  | { readonly kind: 'names'; readonly names: Set<string> }
  | { readonly kind: 'everything-by-default'; readonly names: Set<string> }
  | { readonly kind: 'everything'; readonly names: Set<string> };

export const NOTHING: Subscription = { kind: 'none' };
export const WILDCARD = '*';

export interface Resubscription {
  readonly subscription: Subscription;
  /** Names that the client wants to be told of now, whatever it has. */
  readonly asked: readonly string[];
  /** Names that it asked for until now and that nothing covers any more. */
  readonly left: readonly string[];
  readonly wildcard: 'entered' | 'left' | 'unchanged';
}

/** What a delta request says about the subscription. */
export interface DeltaInterest {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
}

export function covers(subscription: Subscription, name: string): boolean {
  switch (subscription.kind) {
    case 'none':
      return false;
    case 'names':
      return subscription.names.has(name);
    case 'everything':
    case 'everything-by-default':
      return true;
  }
}

export function isWildcard(subscription: Subscription): boolean {
  return subscription.kind === 'everything' || subscription.kind === 'everything-by-default';
}

export function namesOf(subscription: Subscription): ReadonlySet<string> {
  return subscription.kind === 'none' ? new Set() : subscription.names;
}

/**
 * Consumes the subscription before: its set of names lives on in the new one, so that a client that asks for one name more
 * costs one name and not all of them.
 * @param first whether this is the client's first word about the type on this stream
 * @param collection whether naming nothing at first means everything
 */
export function resubscribeDelta(
  before: Subscription,
  { subscribe, unsubscribe }: DeltaInterest,
  { first, collection }: { readonly first: boolean; readonly collection: boolean },
): Resubscription {
  if (first && collection && subscribe.length === 0) return entered({ kind: 'everything-by-default', names: new Set() });
  const names = before.kind === 'none' ? new Set<string>() : before.names;
  const gone = unsubscribe.filter((name) => names.delete(name) || name === WILDCARD || isWildcard(before));
  for (const name of subscribe) if (name !== WILDCARD) names.add(name);
  const wildcard = (isWildcard(before) && !unsubscribe.includes(WILDCARD)) || subscribe.includes(WILDCARD);
  const subscription = wildcard ? stillEverything(before, names) : byNames(names);
  const named = subscribe.filter((name) => name !== WILDCARD);
  const dropped = gone.filter((name) => name !== WILDCARD && !names.has(name));
  return {
    subscription,
    // Who gives up a name and keeps the wildcard must hear what the wildcard says of it.
    asked: wildcard ? [...named, ...dropped] : named,
    left: wildcard ? [] : dropped,
    wildcard: transition(isWildcard(before) && !unsubscribe.includes(WILDCARD), isWildcard(before), wildcard),
  };
}

/** The same for the state of the world, where each request names everything that the client wants. */
export function resubscribeSotw(
  before: Subscription,
  wanted: readonly string[],
  { collection }: { readonly collection: boolean },
): Resubscription {
  const mayDefault = before.kind === 'none' || before.kind === 'everything-by-default';
  if (wanted.length === 0 && collection && mayDefault) {
    if (before.kind === 'everything-by-default') return { subscription: before, asked: [], left: [], wildcard: 'unchanged' };
    return entered({ kind: 'everything-by-default', names: new Set() });
  }
  const names = new Set(wanted);
  const wildcard = names.delete(WILDCARD);
  const had = namesOf(before);
  return {
    subscription: wildcard ? { kind: 'everything', names } : { kind: 'names', names },
    asked: [...names].filter((name) => !had.has(name)),
    left: wildcard ? [] : [...had].filter((name) => !names.has(name)),
    wildcard: transition(isWildcard(before), isWildcard(before), wildcard),
  };
}

function entered(subscription: Subscription): Resubscription {
  return { subscription, asked: [], left: [], wildcard: 'entered' };
}

function stillEverything(before: Subscription, names: Set<string>): Subscription {
  return { kind: before.kind === 'everything-by-default' ? before.kind : 'everything', names };
}

function byNames(names: Set<string>): Subscription {
  return { kind: 'names', names };
}

/** @param kept whether it was wildcard all the while, so that asking for it again in one request counts as entering */
function transition(kept: boolean, before: boolean, after: boolean): Resubscription['wildcard'] {
  if (after) return kept ? 'unchanged' : 'entered';
  return before ? 'left' : 'unchanged';
}
