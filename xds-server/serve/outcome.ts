/** What a client made of one resource, or of the removal of one. */
export interface Outcome {
  readonly nodeId: string;
  readonly typeUrl: string;
  readonly name: string;
  /** Empty if this is about a removal. */
  readonly version: string;
  readonly removed: boolean;
  readonly outcome: 'ack' | 'nack';
  /** The client's words; empty for an ACK. */
  readonly message: string;
}

/** A version that a client refused. */
export interface Rejection {
  readonly version: string;
  readonly message: string;
  /** The client refused the last good version too, so it gets none. */
  readonly substituteRefused: boolean;
}
