/**
 * Values by key that change only while their graph settles. What is read between two settles is always consistent, and
 * a value that is equal to the one before it is the one before it.
 */
export interface Collection<V> {
  readonly name: string;
  readonly size: number;
  get(key: string): V | undefined;
  keys(): IterableIterator<string>;
  values(): IterableIterator<V>;
  entries(): IterableIterator<[string, V]>;
  /** Keys that were added, changed or removed by the settle that is under way or was the last. */
  readonly changed: ReadonlySet<string>;
}

/** A collection as its graph sees it. */
export interface Node {
  readonly name: string;
  /** Takes in what its inputs changed; they have all settled when this is called. */
  settle(): void;
  /** Forgets what the settle before changed. */
  begin(): void;
}

/** The values of a collection and what changed in them; the part that all kinds of collections share. */
export abstract class KeyedValues<V> implements Collection<V>, Node {
  readonly name: string;
  readonly #values = new Map<string, V>();
  readonly #changed = new Set<string>();

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#values.size;
  }

  get changed(): ReadonlySet<string> {
    return this.#changed;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  values(): IterableIterator<V> {
    return this.#values.values();
  }

  entries(): IterableIterator<[string, V]> {
    return this.#values.entries();
  }

  begin(): void {
    this.#changed.clear();
  }

  abstract settle(): void;

  protected put(key: string, value: V): void {
    this.#values.set(key, value);
    this.#changed.add(key);
  }

  protected remove(key: string): void {
    if (this.#values.delete(key)) this.#changed.add(key);
  }
}
