import { KeyedValues } from './collection.ts';
import { equal } from './equal.ts';

/** A collection that is filled from outside. What is set is seen by others once the graph settles. */
export class Input<V> extends KeyedValues<V> {
  readonly #pending = new Map<string, { readonly value: V } | undefined>();

  set(key: string, value: V): void {
    this.#pending.set(key, { value });
  }

  delete(key: string): void {
    this.#pending.set(key, undefined);
  }

  settle(): void {
    for (const [key, entry] of this.#pending) {
      if (!entry) this.remove(key);
      else if (!equal(this.get(key), entry.value)) this.put(key, entry.value);
    }
    this.#pending.clear();
  }
}
