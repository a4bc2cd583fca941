import { BpfError } from './error.ts';
import { native } from './native.ts';
import { checkOpen, type Owner } from './owner.ts';

export interface TestRunOptions {
  /** As it is in memory, such as `struct __sk_buff`; in and out. */
  readonly context?: Uint8Array;
  /** How often, for a duration that means something. Default 1. */
  readonly repeat?: number;
}

export interface TestRunResult {
  /** What the program returned. */
  readonly returned: number;
  /** The packet as the program left it. */
  readonly packet: Uint8Array;
  /** The context as the program left it; empty without one. */
  readonly context: Uint8Array;
  /** Nanoseconds, the mean of the repetitions. */
  readonly durationNs: number;
}

/** Room for what a program puts before a packet and after it. */
const HEADROOM = 1024;

/** A program in the kernel. */
export class Program {
  readonly name: string;
  readonly #fd: number;
  readonly #owner: Owner;

  /** @internal */
  constructor(name: string, fd: number, owner: Owner) {
    this.name = name;
    this.#fd = fd;
    this.#owner = owner;
  }

  /** @throws BpfError `closed` */
  get fd(): number {
    checkOpen(this.#owner);
    return this.#fd;
  }

  /**
   * Runs the program once in the kernel on a packet, which goes nowhere.
   * @throws BpfError `run-failed`, as for packets that are shorter than an Ethernet header
   * @see https://docs.kernel.org/bpf/bpf_prog_run.html
   */
  testRun(packet: Uint8Array, { context, repeat = 1 }: TestRunOptions = {}): TestRunResult {
    const dataOut = new Uint8Array(packet.byteLength + HEADROOM);
    const contextOut = context ? new Uint8Array(context.byteLength) : null;
    const run = { dataIn: packet, dataOut, contextIn: context ?? null, contextOut, repeat };
    const { result, returned, dataSize, contextSize, durationNs } = native().testRun(this.fd, run);
    if (result < 0) throw new BpfError('run-failed', `${this.name} was not run on ${packet.byteLength} bytes`, { errno: -result });
    return { returned, packet: dataOut.slice(0, dataSize), context: contextOut?.slice(0, contextSize) ?? new Uint8Array(), durationNs };
  }
}
