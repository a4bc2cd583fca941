export type ProxyPortErrorCode =
  /** Every port is a slot's, was one until a moment ago, or is listened on by somebody else. */
  | 'exhausted'
  /** Who has which port cannot be written down, so nobody may have one. */
  | 'not-written';

/** What keeps a slot from having a port of its own. */
export class ProxyPortError extends Error {
  override readonly name = 'ProxyPortError';
  readonly code: ProxyPortErrorCode;

  constructor(code: ProxyPortErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
