/** `malformed`: what a controller sent cannot be read. `drifted`: the kernel was not as it had been left, and is again. */
export type EnforcementErrorCode = 'malformed' | 'drifted';

/** What is wrong with what a node is to enforce, or with how it stood. */
export class EnforcementError extends Error {
  readonly code: EnforcementErrorCode;

  constructor(code: EnforcementErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EnforcementError';
    this.code = code;
  }
}
