const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/**
 * A value that must not reach a log, an error, a rendered resource or an HTTP answer by accident. Whatever prints or
 * serialises it gets a placeholder; only `reveal()` gives it away, so a search for that word finds every use.
 */
export class Redacted {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** Compared by content, so that an unchanged Secret keeps its identity through the pipeline. */
  equals(other: unknown): boolean {
    return other instanceof Redacted && other.#value === this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [INSPECT](): string {
    return '[redacted]';
  }
}
