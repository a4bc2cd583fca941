export interface BoundedSeriesOptions {
  /** How many there may be. */
  readonly size: number;
  /** How long one has to be of no use before another may have its place, in milliseconds. */
  readonly idleMs: number;
  /** Milliseconds of any clock that nobody sets. */
  readonly now: () => number;
  /** Told of the one whose place another takes. */
  readonly onFreed: (series: Series) => void;
}

export interface Series {
  readonly values: readonly string[];
  /** What was counted of it since that was told last. */
  pending: number;
}

/** When it was of use last, to {@link EXACTNESS}. */
interface Used extends Series {
  at: number;
}

/** Of the time that one has to be of no use: what is counted all the time is not moved each time. */
const EXACTNESS = 1 / 60;

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

  /** @returns undefined where it is none of them, and there is no room for it */
  use(values: readonly string[]): Series | undefined {
    const { now, idleMs, size } = this.#options;
    const key = keyOf(values);
    const at = now();
    const known = this.#used.get(key);
    if (known && at - known.at < idleMs * EXACTNESS) return known;
    if (!this.#used.delete(key) && this.#used.size >= size && !this.#free(at)) return undefined;
    const used: Used = known ?? { values, pending: 0, at };
    used.at = at;
    this.#used.set(key, used);
    return used;
  }

  has(values: readonly string[]): boolean {
    return this.#used.has(keyOf(values));
  }

  #free(now: number): boolean {
    if (now < this.#fullUntil) return false;
    const { idleMs, onFreed } = this.#options;
    for (const [key, used] of this.#used) {
      this.#fullUntil = used.at + idleMs;
      if (now < this.#fullUntil) return false;
      this.#used.delete(key);
      onFreed(used);
      return true;
    }
    return false;
  }
}

function keyOf(values: readonly string[]): string {
  return values.join('\0');
}
