import { setImmediate } from 'node:timers/promises';

/** So long one piece of work may keep all others waiting, in milliseconds. */
const SLICE_MS = 1;

/**
 * Lets others have their turn during work that takes long:
 *
 *     for (const one of many) if (pace.isDue) await pace.rest();
 */
export class Pace {
  #since = performance.now();

  /** Whether it is time to rest. */
  get isDue(): boolean {
    return performance.now() - this.#since >= SLICE_MS;
  }

  async rest(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
  }
}
