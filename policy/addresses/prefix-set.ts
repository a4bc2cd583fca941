import { contains, formatPrefix, type Prefix, truncate } from './prefix.ts';

/** Prefixes that are counted, by how many want them. */
export class PrefixSet {
  readonly #counts = new Map<string, { readonly prefix: Prefix; count: number }>();
  /** How many prefixes there are of each family and length, so that others need not be looked for. */
  readonly #lengths = { 4: new Map<number, number>(), 6: new Map<number, number>() };

  /** @returns whether it is new */
  add(prefix: Prefix): boolean {
    const key = formatPrefix(prefix);
    const entry = this.#counts.get(key);
    if (entry) {
      entry.count++;
      return false;
    }
    this.#counts.set(key, { prefix, count: 1 });
    const lengths = this.#lengths[prefix.family];
    lengths.set(prefix.length, (lengths.get(prefix.length) ?? 0) + 1);
    return true;
  }

  /** @returns whether it is gone */
  remove(prefix: Prefix): boolean {
    const key = formatPrefix(prefix);
    const entry = this.#counts.get(key);
    if (!entry) return false;
    entry.count--;
    if (entry.count > 0) return false;
    this.#counts.delete(key);
    const lengths = this.#lengths[prefix.family];
    const left = (lengths.get(prefix.length) ?? 1) - 1;
    if (left > 0) lengths.set(prefix.length, left);
    else lengths.delete(prefix.length);
    return true;
  }

  get size(): number {
    return this.#counts.size;
  }

  /** Whether one of these is a part of the given one, and not all of it. */
  hasWithin(outer: Prefix): boolean {
    return this.#counts.values().some(({ prefix }) => prefix.length > outer.length && contains(outer, prefix));
  }

  values(): Prefix[] {
    return Array.from(this.#counts.values(), ({ prefix }) => prefix);
  }

  /** The longest of these prefixes that holds the given one, which may be itself. */
  longest(inner: Prefix): Prefix | undefined {
    let found: Prefix | undefined;
    for (const length of this.#lengths[inner.family].keys()) {
      if (length > inner.length || (found && length <= found.length)) continue;
      found = this.#counts.get(formatPrefix(truncate(inner, length)))?.prefix ?? found;
    }
    return found;
  }
}
