/** Values by type URL and resource name. Empty types are forgotten. */
export class ByType<V> {
  readonly #types = new Map<string, Map<string, V>>();

  get(typeUrl: string, name: string): V | undefined {
    return this.#types.get(typeUrl)?.get(name);
  }

  set(typeUrl: string, name: string, value: V): void {
    const values = this.#types.get(typeUrl);
    if (values) values.set(name, value);
    else this.#types.set(typeUrl, new Map([[name, value]]));
  }

  delete(typeUrl: string, name: string): void {
    const values = this.#types.get(typeUrl);
    if (values?.delete(name) && values.size === 0) this.#types.delete(typeUrl);
  }

  clear(typeUrl?: string): void {
    if (typeUrl === undefined) this.#types.clear();
    else this.#types.delete(typeUrl);
  }

  of(typeUrl: string): ReadonlyMap<string, V> {
    return this.#types.get(typeUrl) ?? new Map();
  }

  get isEmpty(): boolean {
    return this.#types.size === 0;
  }

  typeUrls(): IterableIterator<string> {
    return this.#types.keys();
  }

  *entries(): IterableIterator<[typeUrl: string, name: string, value: V]> {
    for (const [typeUrl, values] of this.#types) for (const [name, value] of values) yield [typeUrl, name, value];
  }
}
