import { closeSync, openSync } from 'node:fs';
import type { BpfMap } from './bpf-map.ts';
import { BpfError } from './error.ts';
import { missingToAttach } from './features.ts';
import { Link } from './link.ts';
import { native, type Pointer } from './native.ts';
import type { Owner } from './owner.ts';
import { SocketsAttachment } from './sockets-attachment.ts';
import { TcFilter, type TcFilterPlace } from './tc-filter.ts';

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
  readonly #program: Pointer;
  readonly #owner: Owner;

  /** @internal */
  constructor(name: string, program: Pointer, owner: Owner) {
    this.name = name;
    this.#program = program;
    this.#fd = native().programFd(program);
    this.#owner = owner;
  }

  get isOpen(): boolean {
    return !this.#owner.isClosed;
  }

  /** @throws BpfError `closed` */
  get fd(): number {
    this.#owner.checkOpen();
    return this.#fd;
  }

  /** @internal */
  get pointer(): Pointer {
    this.#owner.checkOpen();
    return this.#program;
  }

  /**
   * Attaches it to what its section names, such as `kprobe/tcp_close`, `uprobe/libc.so.6:malloc` or `tracepoint/sock/inet_sock_set_state`.
   * @throws BpfError `attach-failed`, with what the kernel lacks for it where that is known
   */
  attach(): Link {
    const lib = native();
    return Link.of(this.name, lib.attach(this.pointer), () => missingToAttach(lib.programSection(this.pointer)));
  }

  /** Attaches it to a cgroup, by its folder, beside others that are there. @throws BpfError `attach-failed` */
  attachToCgroup(folder: string): Link {
    return withFile(folder, (fd) => Link.of(this.name, native().attachCgroup(this.pointer, fd)));
  }

  /** Attaches it to a network namespace, by its file, such as `/proc/self/ns/net`. @throws BpfError `attach-failed` */
  attachToNetwork(file: string): Link {
    return withFile(file, (fd) => Link.of(this.name, native().attachNetwork(this.pointer, fd)));
  }

  /** Attaches it to a map of sockets: it judges the messages of those that come into it, in place of the one that did before. @throws BpfError `attach-failed` */
  attachToSockets<K, V>(map: BpfMap<K, V>): SocketsAttachment<K, V> {
    return SocketsAttachment.attach(this, map);
  }

  /** Attaches it to a device. @throws BpfError `attach-failed` */
  attachToDevice(place: TcFilterPlace): TcFilter {
    return TcFilter.attach(this, place);
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

function withFile<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, 'r');
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
