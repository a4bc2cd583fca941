import { type Collection, KeyedValues } from './collection.ts';
import { equal } from './equal.ts';

/** Looks a value up in another collection and remembers that the result depends on it, also where it is absent. */
export type Read = <V>(collection: Collection<V>, key: string) => V | undefined;

/** Computes one value from one input value; undefined for none. Must depend on nothing but its arguments and what it reads. */
export type Compute<I, O> = (value: I, key: string, read: Read) => O | undefined;

/** Told when a computation throws. The value before stays in force. */
export type OnFailure = (collection: string, key: string, error: unknown) => void;

/** One value for each value of another collection, computed again only when something that it was computed from changed. */
export class Derived<I, O> extends KeyedValues<O> {
  readonly #from: Collection<I>;
  readonly #compute: Compute<I, O>;
  readonly #onFailure: OnFailure;
  readonly #dependencies = new Dependencies();

  constructor(name: string, from: Collection<I>, compute: Compute<I, O>, onFailure: OnFailure) {
    super(name);
    this.#from = from;
    this.#compute = compute;
    this.#onFailure = onFailure;
  }

  settle(): void {
    const stale = new Set(this.#from.changed);
    this.#dependencies.collectStale(stale);
    for (const key of stale) this.#refresh(key);
  }

  #refresh(key: string): void {
    const input = this.#from.get(key);
    this.#dependencies.forget(key);
    if (input === undefined) {
      this.remove(key);
      return;
    }
    const read: Read = (collection, wanted) => {
      this.#dependencies.add(key, collection, wanted);
      return collection.get(wanted);
    };
    try {
      this.#accept(key, this.#compute(input, key, read));
    } catch (error) {
      this.#onFailure(this.name, key, error);
    }
  }

  #accept(key: string, output: O | undefined): void {
    if (output === undefined) this.remove(key);
    else if (!equal(this.get(key), output)) this.put(key, output);
  }
}

/** Which keys of ours were computed with which keys of which other collections, both ways. */
class Dependencies {
  readonly #readers = new Map<Collection<unknown>, Map<string, Set<string>>>();
  readonly #reads = new Map<string, { readonly collection: Collection<unknown>; readonly key: string }[]>();

  add(reader: string, collection: Collection<unknown>, key: string): void {
    const readersByKey = this.#readers.get(collection) ?? new Map<string, Set<string>>();
    this.#readers.set(collection, readersByKey);
    const readers = readersByKey.get(key) ?? new Set<string>();
    readersByKey.set(key, readers);
    if (readers.has(reader)) return;
    readers.add(reader);
    const reads = this.#reads.get(reader);
    if (reads) reads.push({ collection, key });
    else this.#reads.set(reader, [{ collection, key }]);
  }

  forget(reader: string): void {
    for (const { collection, key } of this.#reads.get(reader) ?? []) {
      const readersByKey = this.#readers.get(collection);
      const readers = readersByKey?.get(key);
      readers?.delete(reader);
      if (readers?.size === 0) readersByKey?.delete(key);
    }
    this.#reads.delete(reader);
  }

  collectStale(stale: Set<string>): void {
    for (const [collection, readersByKey] of this.#readers) {
      for (const key of collection.changed) {
        for (const reader of readersByKey.get(key) ?? []) stale.add(reader);
      }
    }
  }
}
