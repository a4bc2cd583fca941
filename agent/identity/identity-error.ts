export type IdentityErrorCode =
  /** The certificate that was given is not for the key that was made, or cannot be read. */
  | 'unusable-certificate'
  /** The identity was closed before it was ready. */
  | 'closed';

/** Something about the node's certificate went wrong. The message never holds any of a key's material. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly code: IdentityErrorCode;

  constructor(code: IdentityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
