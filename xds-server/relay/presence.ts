import type { Interest } from '../serve/index.ts';

export interface PresenceOptions {
  /** How long a client may be away before nobody waits for it. */
  readonly holdMs: number;
  /** How long a client that came may take to ask for all that it needs. */
  readonly graceMs: number;
  /** The type that a client asks for last; undefined where it asks for everything at once. */
  readonly last: string | undefined;
}

/** Whether there is a client, and whether it has said what it wants. */
export class Presence {
  readonly #options: PresenceOptions;
  #interest: ReadonlyMap<string, Interest> = new Map();
  #changedAt = performance.now();
  #isSettled = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** What the client asks for, by type URL. */
  get interest(): ReadonlyMap<string, Interest> {
    return this.#interest;
  }

  get isHere(): boolean {
    return this.#interest.size > 0;
  }

  /** Whether it is away for longer than a restart takes. */
  get isGone(): boolean {
    return !this.isHere && this.#elapsedMs >= this.#options.holdMs;
  }

  /** Whether what it does not ask for is what it does not want. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** @returns whether a client came */
  update(interest: ReadonlyMap<string, Interest>): boolean {
    const wasHere = this.isHere;
    this.#interest = interest;
    if (wasHere === this.isHere) return false;
    this.#changedAt = performance.now();
    this.#isSettled = false;
    return this.isHere;
  }

  /**
   * @param isSynced whether the client has answered all that there is for it
   * @returns whether it is settled only now
   */
  settle(isSynced: boolean): boolean {
    if (this.#isSettled || !this.isHere || !isSynced) return false;
    const { last, graceMs } = this.#options;
    const patienceMs = last === undefined || this.#interest.has(last) ? graceMs : 4 * graceMs;
    this.#isSettled = this.#elapsedMs >= patienceMs;
    return this.#isSettled;
  }

  get #elapsedMs(): number {
    return performance.now() - this.#changedAt;
  }
}
