import { getSystemErrorMap } from 'node:util';

export type BpfErrorCode =
  /** There is no libbpf 1.1 or newer on this machine. */
  | 'library-missing'
  /** The object is no eBPF object that libbpf understands. */
  | 'open-failed'
  /** A map or program was not taken by the kernel. */
  | 'load-failed'
  /** The kernel could not be asked what it can do. */
  | 'probe-failed'
  /** The object has no map or program of that name. */
  | 'not-found'
  /** Keys or values have another size than the map's. */
  | 'layout-mismatch'
  /** The kernel refused an operation on a map. */
  | 'map-failed'
  /** A program was not attached, or a link not changed. */
  | 'attach-failed'
  /** The kernel did not tell about devices. */
  | 'netlink-failed'
  /** Another process holds a lock. */
  | 'locked'
  /** What is pinned has another layout than what is to be used. */
  | 'pin-mismatch'
  /** The kernel did not run a program. */
  | 'run-failed'
  /** What was asked for has been disposed of. */
  | 'closed';

export interface BpfErrorOptions {
  /** As the C library has it, positive. */
  readonly errno?: number;
  /** The kernel that refused something, as `uname -r` has it. */
  readonly kernel?: string;
  /** The program that the kernel refused. */
  readonly program?: string;
  /** All that the verifier said of it. */
  readonly verifierLog?: string;
  /** What the object needs and this kernel does not have, such as `maps of the type ringbuf`. */
  readonly missing?: readonly string[];
}

/** Whatever this package throws. `message` is for people; programs look at `code` and `errnoName`. */
export class BpfError extends Error {
  readonly code: BpfErrorCode;
  readonly errno: number | undefined;
  /** Such as `EPERM`. */
  readonly errnoName: string | undefined;
  readonly kernel: string | undefined;
  readonly program: string | undefined;
  readonly verifierLog: string | undefined;
  readonly missing: readonly string[];

  constructor(code: BpfErrorCode, message: string, { errno, kernel, program, verifierLog, missing = [] }: BpfErrorOptions = {}) {
    const [name, text] = errno === undefined ? [] : describeErrno(errno);
    super(name === undefined ? message : `${message}: ${text} (${name})`);
    this.name = 'BpfError';
    this.code = code;
    this.errno = errno;
    this.errnoName = name;
    this.kernel = kernel;
    this.program = program;
    this.verifierLog = verifierLog;
    this.missing = missing;
  }
}

/** Finds something by its name. @throws BpfError `not-found`, which tells what there is */
export function requireNamed<T>(owner: string, kind: string, name: string, all: ReadonlyMap<string, T>): T {
  const found = all.get(name);
  if (found !== undefined) return found;
  throw new BpfError('not-found', `${owner} has no ${kind} ${name}; it has ${[...all.keys()].join(', ') || 'none'}`);
}

/** Of the kernel's own, which no C library names. */
const ENOTSUPP = 524;

function describeErrno(errno: number): readonly [name: string, text: string] {
  if (errno === ENOTSUPP) return ['ENOTSUPP', 'operation is not supported'];
  return getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
}
