export type CertificateErrorCode =
  /** The signer does not give out such a certificate, or could not; the message is its own. */
  | 'refused'
  /** The request was deleted before it was answered. */
  | 'forgotten'
  /** The API server answered with something else than a CertificateSigningRequest. */
  | 'unreadable';

/** A certificate that was asked for was not given. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
  readonly code: CertificateErrorCode;

  constructor(code: CertificateErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
