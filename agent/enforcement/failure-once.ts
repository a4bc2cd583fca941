import { errorOf } from '../error-of.ts';

/** Tells of a failure once, however often what is tried again fails so. */
export class FailureOnce {
  readonly #onFailure: (error: Error) => void;
  #message: string | undefined;

  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  /** Of the present failure; undefined while there is none. */
  get message(): string | undefined {
    return this.#message;
  }

  note(cause: unknown): void {
    const error = errorOf(cause);
    if (error.message !== this.#message) this.#onFailure(error);
    this.#message = error.message;
  }

  over(): void {
    this.#message = undefined;
  }
}
