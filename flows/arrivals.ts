const SECONDS = 60;
const SECOND = 1_000_000_000n;

/** How many of something came in the last minute, to the second. By when it came: a flow's own time is that when a request began. */
export class Arrivals {
  readonly #counts = new Map<bigint, number>();

  /** @param now nanoseconds since 1970 */
  note(now: bigint): void {
    const second = now / SECOND;
    this.#counts.set(second, (this.#counts.get(second) ?? 0) + 1);
    if (this.#counts.size > SECONDS) this.#forget(second);
  }

  /** A second, over the minute before. */
  rate(now: bigint): number {
    this.#forget(now / SECOND);
    const count = [...this.#counts.values()].reduce((sum, each) => sum + each, 0);
    return count / SECONDS;
  }

  #forget(second: bigint): void {
    for (const each of this.#counts.keys()) if (each <= second - BigInt(SECONDS) || each > second) this.#counts.delete(each);
  }
}
