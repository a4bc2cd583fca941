export type TrustErrorCode =
  /** The Secret `sluice-ca` is not what was written. Nothing is done until it is mended, or deleted to start with a new authority. */
  | 'damaged-authority'
  /** There is no authority yet: no leader has made one. */
  | 'no-authority';

/** Something is wrong with the authority of the cluster. The message never holds any of a key's material. */
export class TrustError extends Error {
  override readonly name = 'TrustError';
  readonly code: TrustErrorCode;

  constructor(code: TrustErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
