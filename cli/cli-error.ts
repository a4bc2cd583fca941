export type CliErrorCode =
  /** The command line is wrong: exit code 2. */
  | 'usage'
  /** What was asked for cannot be done: exit code 1. */
  | 'failed';

/** Ends the command with one line of explanation, since the user can put right what is wrong. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
  }

  get exitCode(): number {
    return this.code === 'usage' ? 2 : 1;
  }
}
