/** What a client made of one resource, or of the removal of one. */
export interface Outcome {
  readonly nodeId: string;
  readonly typeUrl: string;
  readonly name: string;
  /** Empty if this is about a removal. */
  readonly version: string;
  readonly removed: boolean;
  /** `held`: a client that returned has it from before, so nothing was sent; it counts as accepted. */
  readonly outcome: 'ack' | 'nack' | 'held';
  /** The client's words about what it refused; else empty. */
  readonly message: string;
}

/** A version that a client refused. */
export interface Rejection {
  readonly version: string;
  readonly message: string;
  /** The client refused the last good version too, so it gets none. */
  readonly substituteRefused: boolean;
}
