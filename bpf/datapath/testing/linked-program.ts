import { closeSync } from 'node:fs';
import koffi from 'koffi';
import type { Program } from 'libbpf-ts';

/** libbpf 1.1 knows no links of traffic control, so the kernel is asked itself: bpf(2). */
const SYS_BPF = process.arch === 'arm64' ? 280 : 321;
const BPF_LINK_CREATE = 28;
const ATTACH_TYPES = { ingress: 46, egress: 47 } as const;
const ATTRIBUTES_BYTES = 64;

/** A program that somebody else has on a device by a link of traffic control (tcx), before all filters; gone when it is disposed of. */
export class LinkedProgram implements Disposable {
  readonly #fd: number;

  /** Throws where the kernel has no tcx, which Linux has since 6.6. */
  constructor(program: Program, { ifindex, direction }: { readonly ifindex: number; readonly direction: 'ingress' | 'egress' }) {
    const syscall = koffi.load(null).func('long syscall(long number, int command, void *attributes, uint32_t size)');
    const attributes = new Uint32Array(ATTRIBUTES_BYTES / 4);
    attributes.set([program.fd, ifindex, ATTACH_TYPES[direction]]);
    this.#fd = Number(syscall(SYS_BPF, BPF_LINK_CREATE, attributes, ATTRIBUTES_BYTES));
    if (this.#fd < 0) throw new Error(`no link of traffic control was made: errno ${koffi.errno()}`);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
