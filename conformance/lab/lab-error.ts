export type LabErrorCode =
  | 'no-go'
  | 'build-failed'
  | 'not-root'
  | 'exists'
  | 'not-found'
  | 'ended'
  | 'refused'
  | 'command-failed'
  | 'not-ready';

/** Why the lab, or a part of it, could not do what it was asked to. */
export class LabError extends Error {
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LabError';
    this.code = code;
  }
}
