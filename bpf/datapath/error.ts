export type DatapathErrorCode =
  /** Another agent has the pins or the network namespace. */
  | 'locked'
  /** Something else is where a program is to be: another agent's, or an eBPF network plugin's. */
  | 'hook-taken'
  /** There is no such device any more. */
  | 'no-device'
  /** A table of the kernel is full. */
  | 'maps-full'
  /** What is to be written is no address or prefix. */
  | 'invalid-address'
  /** Where a slot is to lead is another slot's port, or none. */
  | 'invalid-redirect'
  /** The folder for pins is in no BPF file system, or cannot be written to. */
  | 'no-pins'
  /** Nothing was put there that could be read. */
  | 'nothing-pinned'
  /** The programs are not there; the set-up makes them. */
  | 'not-compiled'
  /** The kernel did not take what it was given; `cause` says what, and why. */
  | 'refused'
  | 'closed';

/** What goes wrong between Sluice and the kernel where packets are judged. */
export class DatapathError extends Error {
  override readonly name = 'DatapathError';
  readonly code: DatapathErrorCode;

  constructor(code: DatapathErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
