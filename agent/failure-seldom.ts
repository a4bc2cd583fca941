import { errorOf } from './error-of.ts';

/** Tells of failures, of one in a minute: what fails with each request would fill the log. */
export class FailureSeldom {
  readonly #onFailure: (error: Error) => void;
  readonly #everyMs: number;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param everyMs default: a minute */
  constructor(onFailure: (error: Error) => void, everyMs = 60_000) {
    this.#onFailure = onFailure;
    this.#everyMs = everyMs;
  }

  note(cause: unknown): void {
    const now = performance.now();
    if (now - this.#toldAt < this.#everyMs) return;
    this.#toldAt = now;
    this.#onFailure(errorOf(cause));
  }
}
