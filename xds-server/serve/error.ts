/**
 * - `inconsistent`: a change would leave a resource that requires one that is not there.
 * - `contradiction`: a change names the same resource twice.
 * - `address-in-use`: another process listens on the socket.
 * - `listen-failed`: the address cannot be listened on for another reason.
 * - `malformed-request`: a client broke the protocol; its stream ends with INVALID_ARGUMENT.
 * - `too-many-subscriptions`: a client asked for more than the limit; its stream ends with RESOURCE_EXHAUSTED.
 * - `closed`: the server was closed before what was waited for came about.
 */
export type XdsErrorCode =
  | 'inconsistent'
  | 'contradiction'
  | 'address-in-use'
  | 'listen-failed'
  | 'malformed-request'
  | 'too-many-subscriptions'
  | 'closed';

/** What the serving layer throws. What a client does wrong is thrown only inside, and ends its stream. */
export class XdsError extends Error {
  readonly code: XdsErrorCode;

  constructor(code: XdsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'XdsError';
    this.code = code;
  }
}
