export interface BoundedSeriesOptions {
  /** How many there may be. */
  readonly size: number;
  /** How long one has to be of no use before another may have its place, in milliseconds. */
  readonly idleMs: number;
  /** Milliseconds of any clock that nobody sets. */
  readonly now: () => number;
  /** Told of the one whose place another takes. */
  readonly onFreed: (values: readonly string[]) => void;
}

/** When it was of use last. */
interface Used {
  readonly values: readonly string[];
  readonly at: number;
}

/**
 * Series of which there are so many at most. Those that came first stay, as long as they are of use: who comes with many takes no
 * place from them, and those of pods that are gone are in nobody's way for long.
 */
export class BoundedSeries {
  readonly #options: BoundedSeriesOptions;
  /** Those of no use for the longest first. */
  readonly #used = new Map<string, Used>();
  /** Before that nobody has been of no use for long enough. */
  #fullUntil = 0;

  constructor(options: BoundedSeriesOptions) {
    this.#options = options;
  }

  /** @returns whether it is one of them, or there is room for it */
  use(values: readonly string[]): boolean {
    const key = keyOf(values);
    const at = this.#options.now();
    if (!this.#used.delete(key) && this.#used.size >= this.#options.size && !this.#free(at)) return false;
    this.#used.set(key, { values, at });
    return true;
  }

  has(values: readonly string[]): boolean {
    return this.#used.has(keyOf(values));
  }

  #free(now: number): boolean {
    if (now < this.#fullUntil) return false;
    const { idleMs, onFreed } = this.#options;
    for (const [key, { values, at }] of this.#used) {
      this.#fullUntil = at + idleMs;
      if (now < this.#fullUntil) return false;
      this.#used.delete(key);
      onFreed(values);
      return true;
    }
    return false;
  }
}

function keyOf(values: readonly string[]): string {
  return values.join('\0');
}
