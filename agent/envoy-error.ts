export type EnvoyErrorCode =
  /** The binary is not there or is no program for this machine. */
  | 'not-executable'
  /** The binary runs but is not the version whose configuration Sluice speaks. */
  | 'version-mismatch'
  /** Envoy ended before it served for the first time; `lines` is what it said. */
  | 'exited-before-ready'
  /** `stop` was called before Envoy served. */
  | 'stopped'
  /** The admin socket gives no answer, or not in time. */
  | 'admin-unreachable'
  /** The admin interface answered with another status than 200, or with what cannot be read. */
  | 'admin-refused';

/** Something about the Envoy process went wrong that configuration did not cause. */
export class EnvoyError extends Error {
  override readonly name = 'EnvoyError';
  readonly code: EnvoyErrorCode;
  /** Envoy's own last words, errors first choice, oldest first. */
  readonly lines: readonly string[];

  constructor(code: EnvoyErrorCode, message: string, options: { readonly lines?: readonly string[]; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.lines = options.lines ?? [];
  }
}
