/** When a client counts as synced. */
export interface SyncedCondition {
  /** Not before it has answered this revision of the cache. Default: whichever is the newest. */
  readonly revision?: number;
  /** Not before it has asked for these types, such as those that an Envoy is known to ask for when it starts. */
  readonly types?: readonly string[];
  readonly signal?: AbortSignal;
}

interface Waiter {
  readonly isMet: () => boolean;
  readonly done: () => void;
  readonly fail: (reason: unknown) => void;
}

/** Those who wait for a client to be synced. */
export class SyncedWaiters {
  readonly #waiters = new Set<Waiter>();
  #failure: Error | undefined;

  wait(isMet: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      if (signal?.aborted) return reject(signal.reason);
      if (isMet()) return resolve();
      const onAbort = () => waiter.fail(signal?.reason);
      const settle = () => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        isMet,
        done: () => {
          settle();
          resolve();
        },
        fail: (reason) => {
          settle();
          reject(reason);
        },
      };
      signal?.addEventListener('abort', onAbort);
      this.#waiters.add(waiter);
    });
  }

  check(): void {
    for (const waiter of this.#waiters) if (waiter.isMet()) waiter.done();
  }

  fail(reason: Error): void {
    this.#failure = reason;
    for (const waiter of this.#waiters) waiter.fail(reason);
  }
}
