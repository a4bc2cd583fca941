import { type Collection, KeyedValues } from './collection.ts';
import { equal } from './equal.ts';

/** Says which groups a value belongs to, and as what. */
export type Spread<I, M> = (value: I, key: string) => Iterable<readonly [group: string, member: M]>;

/**
 * The members that the values of another collection have in common, by group. A group's members stand in the order of the
 * keys that they came from, whatever the order in which those arrived. A group without members does not exist.
 */
export class Grouped<I, M> extends KeyedValues<readonly M[]> {
  readonly #from: Collection<I>;
  readonly #spread: Spread<I, M>;
  /** By key of the input: what it put into which group. */
  readonly #contributions = new Map<string, Map<string, readonly M[]>>();
  /** By group: the keys of the inputs in it, sorted. */
  readonly #members = new Map<string, string[]>();

  constructor(name: string, from: Collection<I>, spread: Spread<I, M>) {
    super(name);
    this.#from = from;
    this.#spread = spread;
  }

  settle(): void {
    const stale = new Set<string>();
    for (const key of this.#from.changed) this.#replace(key, this.#from.get(key), stale);
    for (const group of stale) this.#assemble(group);
  }

  #replace(key: string, value: I | undefined, stale: Set<string>): void {
    const before = this.#contributions.get(key) ?? new Map<string, readonly M[]>();
    const after = value === undefined ? new Map<string, readonly M[]>() : this.#spreadOf(value, key, before);
    for (const [group, members] of after) {
      if (before.get(group) === members) continue;
      if (!before.has(group)) insertSorted(this.#keysOf(group), key);
      stale.add(group);
    }
    for (const group of before.keys()) {
      if (after.has(group)) continue;
      removeSorted(this.#keysOf(group), key);
      stale.add(group);
    }
    if (after.size > 0) this.#contributions.set(key, after);
    else this.#contributions.delete(key);
  }

  /** Members that are equal to what they were keep their identity, so that their groups stay as they are. */
  #spreadOf(value: I, key: string, before: ReadonlyMap<string, readonly M[]>): Map<string, readonly M[]> {
    const fresh = new Map<string, M[]>();
    for (const [group, member] of this.#spread(value, key)) {
      const members = fresh.get(group);
      if (members) members.push(member);
      else fresh.set(group, [member]);
    }
    const after = new Map<string, readonly M[]>();
    for (const [group, members] of fresh) {
      const known = before.get(group);
      after.set(group, known && equal(known, members) ? known : members);
    }
    return after;
  }

  #keysOf(group: string): string[] {
    const keys = this.#members.get(group) ?? [];
    this.#members.set(group, keys);
    return keys;
  }

  #assemble(group: string): void {
    const members = this.#keysOf(group).flatMap((key) => this.#contributions.get(key)?.get(group) ?? []);
    if (members.length > 0) {
      this.put(group, members);
      return;
    }
    this.#members.delete(group);
    this.remove(group);
  }
}

function insertSorted(keys: string[], key: string): void {
  keys.splice(position(keys, key), 0, key);
}

function removeSorted(keys: string[], key: string): void {
  const at = position(keys, key);
  if (keys[at] === key) keys.splice(at, 1);
}

function position(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const candidate = keys[middle];
    if (candidate !== undefined && candidate < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
