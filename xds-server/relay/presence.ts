import { type Interest, LISTENER_TYPE } from '../serve/index.ts';

export interface PresenceOptions {
  /** How long a client may be away before nobody waits for it. */
  readonly holdMs: number;
  /** How long a client that came may take to ask for all that it needs. */
  readonly graceMs: number;
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
    // Envoy asks for listeners, and then for their routes, only when all its clusters are ready.
    const patienceMs = this.#interest.has(LISTENER_TYPE) ? this.#options.graceMs : 4 * this.#options.graceMs;
    this.#isSettled = this.#elapsedMs >= patienceMs;
    return this.#isSettled;
  }

  get #elapsedMs(): number {
    return performance.now() - this.#changedAt;
  }
}
