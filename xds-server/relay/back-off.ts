/** How long to wait before the next attempt: fast at first, then longer, at random so that many nodes do not come at once. */
export class BackOff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #attempts = 0;

  /**
   * @param firstMs upper bound of the first wait; it doubles with each attempt
   * @param random as Math.random
   */
  constructor(firstMs: number, maxMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Milliseconds, between a quarter of the bound and the bound. */
  next(): number {
    const bound = Math.min(this.#maxMs, this.#firstMs * 2 ** Math.min(this.#attempts++, 30));
    return bound * (0.25 + 0.75 * this.#random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
