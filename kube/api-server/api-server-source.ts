import type { ObjectBatch, ObjectSource } from '../source.ts';
import type { ApiClient } from './api-client.ts';
import { type ApiServerSourceOptions, ApiServerWatch, type KindState } from './api-server-watch.ts';

/**
 * Objects of an API server, of all namespaces. Of Secrets only metadata is watched, and the content is got of those that are
 * wanted. The first batch comes when every kind has been listed; until then, and whenever a kind cannot be read, it is
 * tried again, and {@link state} says why. Nothing is taken away because it could not be read.
 */
export class ApiServerSource implements ObjectSource {
  readonly #client: ApiClient;
  readonly #options: ApiServerSourceOptions;
  readonly #wanted = new Set<string>();
  #wantsNodes = false;
  #watch: ApiServerWatch | undefined;

  constructor(client: ApiClient, options: ApiServerSourceOptions = {}) {
    this.#client = client;
    this.#options = options;
  }

  /** Batches that nobody has taken yet become one. Ends, without an error, when the signal aborts. One watch at a time. */
  async *watch(signal: AbortSignal): AsyncGenerator<ObjectBatch, void, undefined> {
    if (signal.aborted) return;
    const watch = new ApiServerWatch(this.#client, this.#wanted, this.#options, signal);
    this.#watch = watch;
    watch.wantNodes(this.#wantsNodes);
    try {
      for (let batch = await watch.next(); batch; batch = await watch.next()) yield batch;
    } finally {
      await watch.end();
    }
  }

  /** Objects of an API server have no files. */
  locate(): undefined {
    return undefined;
  }

  want(needed: readonly string[], dropped: readonly string[]): boolean {
    for (const key of dropped) {
      this.#wanted.delete(key);
      this.#watch?.secrets.forget(key);
    }
    for (const key of needed) {
      this.#wanted.add(key);
      this.#watch?.secrets.want(key);
    }
    return this.#watch?.complete() ?? false;
  }

  wantNodes(wanted: boolean): boolean {
    this.#wantsNodes = wanted;
    return this.#watch?.wantNodes(wanted) ?? false;
  }

  /** Of the watch that began last; empty before there is one. */
  state(): readonly KindState[] {
    return this.#watch?.state() ?? [];
  }
}
