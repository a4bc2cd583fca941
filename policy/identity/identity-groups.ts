import { equal } from '../../collection/index.ts';
import { type Identity, type IdentityEntry, RESERVED_IDENTITIES } from '../../model/index.ts';
import { formatLabel, type Label, RESERVED } from '../labels/label.ts';
import type { IdentityAllocator, IdentityScope } from './allocator.ts';
import { type Facets, facetLabels, factsOf, handlingLabels, type IdentityFacts } from './facts.ts';
import { RESERVED_FACTS, reservedIdentityOf } from './reserved.ts';

/** Whoever has an identity: an address of a pod, a node, a prefix. */
export interface Member {
  /** What makes the identity. */
  readonly labels: readonly Label[];
  readonly isWorld: boolean;
  readonly facets: Facets;
}

/** Members of one group that rules see no difference between. */
interface Variant {
  readonly facets: Facets;
  readonly members: Set<string>;
  /** Undefined until it is numbered, and while there is no number. */
  identity: Identity | undefined;
}

/** Members of equal labels. */
interface Group {
  readonly key: string;
  readonly labels: readonly Label[];
  readonly isWorld: boolean;
  readonly variants: Map<string, Variant>;
  /** Those that its variants had when it was numbered last. */
  identities: ReadonlySet<Identity>;
}

export interface IdentityChanges {
  /** Of identities that are new, or of which rules see something else than before. */
  readonly facts: readonly IdentityFacts[];
  readonly entries: readonly IdentityEntry[];
  readonly removals: readonly Identity[];
  /** Members that have another identity than before, and those that came or went. */
  readonly members: ReadonlySet<string>;
}

/**
 * Gives identities to members: one to all of equal labels, as long as rules see no difference between them; where they do, one to each
 * sort, whose labels then name the difference.
 */
export class IdentityGroups {
  readonly #allocator: IdentityAllocator;
  readonly #groups = new Map<string, Group>();
  readonly #places = new Map<string, { readonly group: Group; readonly variant: Variant }>();
  readonly #facts = new Map<Identity, IdentityFacts>(RESERVED_FACTS.map((facts) => [facts.identity, facts]));
  readonly #touched = new Set<Group>();
  readonly #moved = new Set<string>();
  readonly #waiting = new Set<Group>();

  constructor(allocator: IdentityAllocator) {
    this.#allocator = allocator;
  }

  facts(identity: Identity): IdentityFacts | undefined {
    return this.#facts.get(identity);
  }

  /** `init` for members whose labels have no number yet; undefined for those that are not known. */
  identityOf(member: string): Identity | undefined {
    const place = this.#places.get(member);
    return place && (place.variant.identity ?? RESERVED_IDENTITIES.init);
  }

  /** The members whose labels have no number. */
  *withoutNumber(): Iterable<string> {
    for (const group of this.#waiting)
      for (const { identity, members } of group.variants.values()) if (identity === undefined) yield* members;
  }

  /** Asks again for the numbers that there were none of. */
  retry(): void {
    for (const group of this.#waiting) this.#touched.add(group);
  }

  set(key: string, { labels, isWorld, facets }: Member): void {
    const groupKey = labels.map(formatLabel).sort().join('\n');
    const facetKey = facetLabels(facets).join('\n');
    const before = this.#places.get(key);
    if (before && before.group.key === groupKey && before.group.variants.get(facetKey) === before.variant) return;
    this.delete(key);
    const group = this.#groups.get(groupKey) ?? {
      key: groupKey,
      labels,
      isWorld,
      variants: new Map<string, Variant>(),
      identities: new Set(),
    };
    this.#groups.set(groupKey, group);
    const variant = group.variants.get(facetKey) ?? { facets, members: new Set<string>(), identity: undefined };
    if (!group.variants.has(facetKey)) {
      group.variants.set(facetKey, variant);
      this.#touched.add(group);
    }
    variant.members.add(key);
    this.#places.set(key, { group, variant });
    this.#moved.add(key);
  }

  delete(key: string): void {
    const place = this.#places.get(key);
    if (!place) return;
    const { group, variant } = place;
    this.#places.delete(key);
    this.#moved.add(key);
    variant.members.delete(key);
    if (variant.members.size > 0) return;
    group.variants.delete(facetLabels(variant.facets).join('\n'));
    this.#touched.add(group);
  }

  /** What changed since this was asked last. */
  take(): IdentityChanges {
    const given = new Map<Identity, { readonly facts: IdentityFacts; readonly entry: IdentityEntry }>();
    const left = new Set<Identity>();
    for (const group of this.#touched) {
      for (const identity of group.identities) left.add(identity);
      for (const { facts, labels } of this.#number(group))
        given.set(facts.identity, { facts, entry: { identity: facts.identity, labels } });
    }
    for (const identity of given.keys()) left.delete(identity);
    const facts: IdentityFacts[] = [];
    const entries: IdentityEntry[] = [];
    for (const { facts: now, entry } of given.values()) {
      const before = this.#facts.get(now.identity);
      if (before && equalFacts(before, now)) continue;
      this.#facts.set(now.identity, now);
      facts.push(now);
      if (!before) entries.push(entry);
    }
    const removals = this.#remove(left, facts);
    const members = new Set(this.#moved);
    this.#touched.clear();
    this.#moved.clear();
    return { facts, entries, removals, members };
  }

  /** Gives the variants of a group their numbers. */
  #number(group: Group): { readonly facts: IdentityFacts; readonly labels: readonly string[] }[] {
    const base = group.labels.map(formatLabel);
    const differ = group.variants.size > 1;
    const numbered = [];
    this.#waiting.delete(group);
    for (const variant of group.variants.values()) {
      const told = differ ? facetLabels(variant.facets) : handlingLabels(variant.facets.handling);
      const labels = [...new Set([...base, ...told])].sort();
      const identity = reservedIdentityOf(labels) ?? this.#allocator.allocate(labels, scopeOf(group));
      if (identity === undefined) this.#waiting.add(group);
      if (identity !== variant.identity) for (const member of variant.members) this.#moved.add(member);
      variant.identity = identity;
      if (identity !== undefined) numbered.push({ facts: factsOf(identity, group.labels, group.isWorld, variant.facets), labels });
    }
    group.identities = new Set(numbered.map(({ facts }) => facts.identity));
    if (group.variants.size === 0) this.#groups.delete(group.key);
    return numbered;
  }

  /** Reserved identities stay, as nobody's. */
  #remove(left: ReadonlySet<Identity>, facts: IdentityFacts[]): Identity[] {
    const removals: Identity[] = [];
    for (const identity of left) {
      const reserved = RESERVED_FACTS.find((each) => each.identity === identity);
      const before = this.#facts.get(identity);
      if (reserved) {
        this.#facts.set(identity, reserved);
        if (before && !equalFacts(before, reserved)) facts.push(reserved);
        continue;
      }
      this.#facts.delete(identity);
      this.#allocator.release(identity);
      removals.push(identity);
    }
    return removals;
  }
}

/** Identities of pods are the cluster's, all others stand for addresses. */
function scopeOf({ labels }: Group): IdentityScope {
  return labels.some(({ source }) => source === RESERVED) ? 'local' : 'cluster';
}

function equalFacts(a: IdentityFacts, b: IdentityFacts): boolean {
  return (
    a.isWorld === b.isWorld &&
    equal(a.labels.texts, b.labels.texts) &&
    equal(a.prefix, b.prefix) &&
    equal(a.ports, b.ports) &&
    equal(a.handling, b.handling)
  );
}
