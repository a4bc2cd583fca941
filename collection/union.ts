import { type Collection, KeyedValues } from './collection.ts';

/** What several collections hold together. Where a key is in more than one, the first of them counts. */
export class Union<V> extends KeyedValues<V> {
  readonly #from: readonly Collection<V>[];

  constructor(name: string, from: readonly Collection<V>[]) {
    super(name);
    this.#from = from;
  }

  settle(): void {
    for (const collection of this.#from) {
      for (const key of collection.changed) this.#refresh(key);
    }
  }

  #refresh(key: string): void {
    const value = this.#first(key);
    if (value === undefined) this.remove(key);
    else if (value !== this.get(key)) this.put(key, value);
  }

  #first(key: string): V | undefined {
    for (const collection of this.#from) {
      const value = collection.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}
