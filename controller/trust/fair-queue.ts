/** A queue in which everybody has the same turn, however much they put into it. An item of the same name is replaced. */
export class FairQueue<T> {
  readonly #byOwner = new Map<string, Map<string, T>>();

  put(owner: string, name: string, item: T): void {
    const items = this.#byOwner.get(owner) ?? new Map<string, T>();
    this.#byOwner.set(owner, items.set(name, item));
  }

  remove(owner: string, name: string): void {
    const items = this.#byOwner.get(owner);
    items?.delete(name);
    if (items?.size === 0) this.#byOwner.delete(owner);
  }

  /** Takes the oldest item of whoever had no turn for longest; undefined if there is nothing. */
  take(): T | undefined {
    for (const [owner, items] of this.#byOwner) {
      this.#byOwner.delete(owner);
      for (const [name, item] of items) {
        items.delete(name);
        // At the end of the line again.
        if (items.size > 0) this.#byOwner.set(owner, items);
        return item;
      }
    }
    return undefined;
  }
}
