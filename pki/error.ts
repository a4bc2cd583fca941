export type PkiErrorCode =
  /** Not PEM, or not DER of a certificate. */
  | 'malformed-certificate'
  /** Not a PEM private key of the only algorithm that is used, ECDSA on P-256. */
  | 'malformed-key'
  /** A key does not belong to the certificate that it came with. */
  | 'key-mismatch'
  /** Not a signing request, or longer than any of ours. */
  | 'malformed-request'
  /** The key of a signing request is not ECDSA on P-256. */
  | 'unsuitable-key'
  /** A signing request was not signed with the key that it is for. */
  | 'not-in-possession'
  /** The authority's own certificate is over, so nothing that it signs would be valid. */
  | 'authority-expired';

/** What cannot be done with a certificate, key or request. Neither the message nor the cause holds any of a key's material. */
export class PkiError extends Error {
  override readonly name = 'PkiError';
  readonly code: PkiErrorCode;

  constructor(code: PkiErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
