export type SteeringNetworkErrorCode =
  /** The kernel's settings cannot be written here: they are mounted for reading. */
  | 'read-only'
  /** This process has not CAP_NET_ADMIN in this network namespace. */
  | 'not-permitted'
  /** A device that is not ours has the name of ours. */
  | 'name-taken'
  /** The kernel lacks something that rules of Netfilter are made of. */
  | 'unsupported'
  /** What was there before cannot be written down, so nothing is changed. */
  | 'not-remembered'
  /** The kernel refused a change; `cause` says which. */
  | 'refused';

/** What keeps the network of a node from being made such that packets can be steered. */
export class SteeringNetworkError extends Error {
  override readonly name = 'SteeringNetworkError';
  readonly code: SteeringNetworkErrorCode;

  constructor(code: SteeringNetworkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
