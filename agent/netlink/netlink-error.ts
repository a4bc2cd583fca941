import { getSystemErrorMap } from 'node:util';

export type NetlinkErrorCode =
  /** This is no Linux, or no socket of this kind can be had. */
  | 'unavailable'
  /** The kernel refused what it was asked; `errnoName` says why. */
  | 'refused'
  /** What was received is no message of this protocol. */
  | 'malformed'
  /** What is asked for changes faster than it can be told. */
  | 'interrupted'
  /** The socket has been closed. */
  | 'closed';

/** Whatever keeps the kernel's links, addresses and neighbours from being known. */
export class NetlinkError extends Error {
  readonly code: NetlinkErrorCode;
  /** Such as `EPERM`. */
  readonly errnoName: string | undefined;

  /** @param errno as the C library has it, positive */
  constructor(code: NetlinkErrorCode, message: string, errno?: number) {
    const [name, text] = errno === undefined ? [] : (getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error']);
    super(name === undefined ? message : `${message}: ${text} (${name})`);
    this.name = 'NetlinkError';
    this.code = code;
    this.errnoName = name;
  }
}
