/** `malformed`: what a controller sent cannot be read. `not-enforced`: it can be, and the kernel did not take it. */
export type EnforcementErrorCode = 'malformed' | 'not-enforced';

/** Something that a node is told and cannot put in force. */
export class EnforcementError extends Error {
  readonly code: EnforcementErrorCode;

  constructor(code: EnforcementErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EnforcementError';
    this.code = code;
  }
}
