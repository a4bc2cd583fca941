import type { Identity } from '../../model/index.ts';
import { contains, formatPrefix, truncate } from '../addresses/prefix.ts';
import type { IdentityFacts } from '../identity/facts.ts';
import type { Label } from '../labels/label.ts';
import { type LabelSelector, matches, type Requirement } from '../labels/selector.ts';
import { type Peer, peerKey } from '../rules/rule.ts';

/** What picks identities: a peer of a rule, or that it has a port of a name. */
export type Pick = Peer | { readonly kind: 'port'; readonly name: string };

/** The identities that are picked, kept up to date. */
export interface IdentitySet {
  readonly key: string;
  readonly pick: Pick;
  readonly identities: Set<Identity>;
  /** How often each user has asked for it. */
  readonly users: Map<number, number>;
}

/**
 * Which identities each pick has. A change of an identity is compared with those picks only that may have it, found by a value that they
 * ask for; a new pick with those identities only that have a value that it asks for.
 */
export class IdentitySets {
  readonly #sets = new Map<string, IdentitySet>();
  readonly #facts = new Map<Identity, IdentityFacts>();
  readonly #picksByTerm = new Map<string, Set<IdentitySet>>();
  readonly #identitiesByTerm = new Map<string, Set<Identity>>();
  readonly #setsOf = new Map<Identity, Set<IdentitySet>>();

  facts(identity: Identity): IdentityFacts | undefined {
    return this.#facts.get(identity);
  }

  setsOf(identity: Identity): ReadonlySet<IdentitySet> {
    return this.#setsOf.get(identity) ?? new Set();
  }

  /** The set of a pick, which is kept until each of its users has dropped it as often as it has asked. */
  use(pick: Pick, user: number): IdentitySet {
    const key = pickKey(pick);
    const set = this.#sets.get(key) ?? this.#fill({ key, pick, identities: new Set(), users: new Map() });
    set.users.set(user, (set.users.get(user) ?? 0) + 1);
    return set;
  }

  /** The set of a pick that somebody uses. */
  find(pick: Pick): IdentitySet | undefined {
    return this.#sets.get(pickKey(pick));
  }

  drop(set: IdentitySet, user: number): void {
    const count = (set.users.get(user) ?? 1) - 1;
    if (count > 0) set.users.set(user, count);
    else set.users.delete(user);
    if (set.users.size > 0) return;
    this.#sets.delete(set.key);
    for (const term of termsOfPick(set.pick)) removeFrom(this.#picksByTerm, term, set);
    for (const identity of set.identities) this.#setsOf.get(identity)?.delete(set);
  }

  /** The sets that an identity would be in. */
  match(facts: IdentityFacts): Set<IdentitySet> {
    const found = new Set<IdentitySet>();
    for (const term of termsOfIdentity(facts)) {
      for (const set of this.#picksByTerm.get(term) ?? []) if (picks(set.pick, facts)) found.add(set);
    }
    return found;
  }

  /** Takes what rules now see of an identity. @returns the sets that it came to, left, or changed in */
  put(facts: IdentityFacts): Set<IdentitySet> {
    const before = this.setsOf(facts.identity);
    this.#forget(facts.identity);
    this.#facts.set(facts.identity, facts);
    for (const term of termsOfIdentity(facts)) addTo(this.#identitiesByTerm, term, facts.identity);
    const now = this.match(facts);
    for (const set of before) if (!now.has(set)) set.identities.delete(facts.identity);
    for (const set of now) set.identities.add(facts.identity);
    this.#setsOf.set(facts.identity, now);
    return new Set([...now, ...before]);
  }

  /** @returns the sets that it was in */
  delete(identity: Identity): ReadonlySet<IdentitySet> {
    const before = this.setsOf(identity);
    this.#forget(identity);
    for (const set of before) set.identities.delete(identity);
    return before;
  }

  #forget(identity: Identity): void {
    const facts = this.#facts.get(identity);
    if (facts) for (const term of termsOfIdentity(facts)) removeFrom(this.#identitiesByTerm, term, identity);
    this.#facts.delete(identity);
    this.#setsOf.delete(identity);
  }

  #fill(set: IdentitySet): IdentitySet {
    this.#sets.set(set.key, set);
    for (const term of termsOfPick(set.pick)) {
      addTo(this.#picksByTerm, term, set);
      for (const identity of this.#identitiesByTerm.get(term) ?? []) {
        const facts = this.#facts.get(identity);
        if (!facts || !picks(set.pick, facts)) continue;
        set.identities.add(identity);
        addTo(this.#setsOf, identity, set);
      }
    }
    return set;
  }
}

/** Whether a pick has an identity. */
export function picks(pick: Pick, facts: IdentityFacts): boolean {
  switch (pick.kind) {
    case 'labels':
      return matches(pick.selector, facts.labels);
    case 'port':
      return facts.ports.some(({ name }) => name === pick.name);
    case 'addresses': {
      const { prefix, isWorld } = facts;
      if (!prefix || (pick.of === 'world' && !isWorld)) return false;
      return contains(pick.within, prefix) && !pick.except.some((except) => contains(except, prefix));
    }
  }
}

function pickKey(pick: Pick): string {
  return pick.kind === 'port' ? `port ${pick.name}` : peerKey(pick);
}

const EVERYTHING = 'everything';

/** Every identity that is picked has at least one of these; as few others as possible do. */
function termsOfPick(pick: Pick): string[] {
  if (pick.kind === 'port') return [`port ${pick.name}`];
  if (pick.kind === 'addresses') return [`address ${formatPrefix(pick.within)}`];
  const asked = mostSelective(pick.selector);
  if (!asked) return [EVERYTHING];
  return asked.operator === 'Exists' ? [labelTerm(asked.key)] : asked.values.map((value) => labelTerm(asked.key, value));
}

/** A namespace is shared by many, other values by few. */
function mostSelective({ requirements }: LabelSelector): Requirement | undefined {
  const positive = requirements.filter(({ operator }) => operator === 'In' || operator === 'Exists');
  return positive.toSorted((a, b) => cost(a) - cost(b))[0];
}

function cost({ operator, key, values }: Requirement): number {
  if (operator === 'Exists') return 1_000;
  return values.length + (key.startsWith('io.') ? 100 : 0);
}

function termsOfIdentity({ labels, prefix, ports }: IdentityFacts): Set<string> {
  const terms = new Set([EVERYTHING]);
  for (const label of labels.values()) for (const term of termsOfLabel(label)) terms.add(term);
  for (const { name } of ports) terms.add(`port ${name}`);
  if (prefix) for (let length = prefix.length; length >= 0; length--) terms.add(`address ${formatPrefix(truncate(prefix, length))}`);
  return terms;
}

/** Sources are left out: few keys have more than one. */
function termsOfLabel(label: Label): string[] {
  return [labelTerm(label.key), labelTerm(label.key, label.value)];
}

function labelTerm(key: string, value?: string): string {
  return value === undefined ? `label ${key}` : `label ${key}=${value}`;
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}

function removeFrom<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}
