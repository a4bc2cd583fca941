import { setImmediate } from 'node:timers/promises';

const LENGTH_MS = 8;

/**
 * Cuts long work into slices, so that nothing else waits for it. Files are read by system calls that block, because for
 * many small local files these cost a tenth of asynchronous ones; between slices everything else has its turn.
 */
export class Turn {
  #end = performance.now() + LENGTH_MS;

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }

  async next(): Promise<void> {
    await setImmediate();
    this.#end = performance.now() + LENGTH_MS;
  }
}
