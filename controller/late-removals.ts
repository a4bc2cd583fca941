import type { Removal, ResourceChange, ResourceName } from '../xds-server/serve/resource.ts';

export interface LateRemovalsOptions {
  /** Publishes removals. @returns whether nothing needs what is removed any more; if not, it is tried again */
  readonly remove: (names: readonly ResourceName[]) => boolean;
  /** How long is waited, in milliseconds. Default 15 000. */
  readonly delayMs?: number;
}

/** Longer than a node takes to hear that no Service is led to a listener any more, and to take it away. */
const DELAY_MS = 15_000;

/** Keeps back removals of what may be needed for a little longer. */
export class LateRemovals implements Disposable {
  readonly #options: LateRemovalsOptions;
  readonly #waiting = new Map<string, ResourceName>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: LateRemovalsOptions) {
    this.#options = options;
  }

  /** What is to be published of a change now. What comes again is not removed. */
  take({ upserts, removals }: ResourceChange): ResourceChange {
    for (const name of upserts) this.#waiting.delete(keyOf(name));
    const late = removals.filter(({ isLate }) => isLate);
    if (late.length === 0) return { upserts, removals };
    for (const removal of late) this.#waiting.set(keyOf(removal), removal);
    this.#wait(late);
    return { upserts, removals: removals.filter(({ isLate }) => !isLate) };
  }

  /** Whether something is published only until its removal is due. */
  has(name: ResourceName): boolean {
    return this.#waiting.has(keyOf(name));
  }

  /** What waits stays. */
  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #wait(late: readonly Removal[]): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#remove(late);
    }, this.#options.delayMs ?? DELAY_MS).unref();
    this.#timers.add(timer);
  }

  /** All of one change at once, since they need one another. */
  #remove(late: readonly Removal[]): void {
    const due = late.filter((removal) => this.#waiting.get(keyOf(removal)) === removal);
    if (due.length === 0) return;
    if (!this.#options.remove(due.map(({ typeUrl, name }) => ({ typeUrl, name })))) {
      this.#wait(due);
      return;
    }
    for (const removal of due) this.#waiting.delete(keyOf(removal));
  }
}

function keyOf({ typeUrl, name }: ResourceName): string {
  return `${typeUrl} ${name}`;
}
