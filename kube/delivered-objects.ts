import type { ObjectRef } from '../model/index.ts';
import { type KubeObject, refOf } from './object.ts';

/** The difference between two moments, in order of keys. */
export interface ObjectDifference {
  readonly upserts: readonly KubeObject[];
  readonly removals: readonly ObjectRef[];
}

/** What whoever follows a source has been given, so that it is told of nothing twice and of nothing that was undone in between. */
export class DeliveredObjects {
  readonly #delivered = new Map<string, KubeObject>();
  readonly #touched = new Set<string>();

  /** @param key as `objectKey` has it */
  touch(key: string): void {
    this.#touched.add(key);
  }

  /** Whether something may differ. */
  get isTouched(): boolean {
    return this.#touched.size > 0;
  }

  /** What differs, among the objects that were touched, from what was delivered before; it counts as delivered from now on. */
  take(present: (key: string) => KubeObject | undefined): ObjectDifference {
    const upserts: KubeObject[] = [];
    const removals: ObjectRef[] = [];
    for (const key of [...this.#touched].sort()) {
      const before = this.#delivered.get(key);
      const now = present(key);
      if (now === before) continue;
      if (now) {
        upserts.push(now);
        this.#delivered.set(key, now);
      } else if (before) {
        removals.push(refOf(before));
        this.#delivered.delete(key);
      }
    }
    this.#touched.clear();
    return { upserts, removals };
  }
}
