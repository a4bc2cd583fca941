import type { Flow } from './flow.ts';

/** A flow with its number: the first of a ring is 0, and each next one has the next. */
export interface NumberedFlow {
  readonly number: number;
  readonly flow: Flow;
}

/** The last flows of a node, up to a limit. Whoever reads more slowly than flows come learns how many there were in between. */
export class FlowRing<T = Flow> {
  readonly capacity: number;
  readonly #flows: T[] = [];
  readonly #watchers = new Set<(flow: T) => void>();
  #next = 0;
  readonly #onFailure: (error: unknown) => void;
  #waiting: PromiseWithResolvers<void> | undefined;

  /**
   * @param capacity at least 1
   * @param onFailure told what a watcher throws; the others are told of the flow all the same, as are those who wait
   */
  constructor(capacity: number, onFailure: (error: unknown) => void = () => {}) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new RangeError(`a ring holds at least one flow, not ${capacity}`);
    this.capacity = capacity;
    this.#onFailure = onFailure;
  }

  /** How many there have been, with those that are forgotten. */
  get seen(): number {
    return this.#next;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#flows.length;
  }

  /** The number of the oldest that is remembered; that of the next where none is. */
  get oldest(): number {
    return this.#next - this.#flows.length;
  }

  add(flow: T): void {
    // Grows as it fills, so that a node where nothing happens needs nothing.
    if (this.#flows.length < this.capacity) this.#flows.push(flow);
    else this.#flows[this.#next % this.capacity] = flow;
    this.#next++;
    this.#wake();
    for (const watcher of this.#watchers) this.#tell(watcher, flow);
  }

  /** Tells of each flow as it is added, of none that there was before. @returns what ends that */
  watch(watcher: (flow: T) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** @returns undefined where it is forgotten, or yet to come */
  at(number: number): T | undefined {
    return number >= this.oldest && number < this.#next ? this.#flows[number % this.capacity] : undefined;
  }

  /** Ends once there is one of this number, or nobody wants it any more. */
  async untilAdded(number: number, signal: AbortSignal): Promise<void> {
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake, { once: true });
    while (this.#next <= number && !signal.aborted) {
      this.#waiting ??= Promise.withResolvers();
      await this.#waiting.promise;
    }
    signal.removeEventListener('abort', wake);
  }

  #tell(watcher: (flow: T) => void, flow: T): void {
    try {
      watcher(flow);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
