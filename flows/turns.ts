/** So long one works before others have their turn, in milliseconds. */
const TURN_MS = 5;

/** Divides long work, so that whatever else this process does goes on meanwhile. */
export class Turns {
  #until = performance.now() + TURN_MS;

  /** Whether others are to have theirs, by {@link end}. */
  get isOver(): boolean {
    return performance.now() >= this.#until;
  }

  async end(): Promise<void> {
    await new Promise(setImmediate);
    this.#until = performance.now() + TURN_MS;
  }
}
