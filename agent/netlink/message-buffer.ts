import koffi from 'koffi';
import { IS_LITTLE_ENDIAN } from './message.ts';

export const SOL_NETLINK = 270;
export const LISTEN_ALL_NAMESPACES = 8;

// `struct msghdr`, `struct iovec` and `struct cmsghdr` of machines with 64 bits, which are all that Node has ready-made programs for.
const HEADER_BYTES = 56;
const HEADER_PARTS_AT = 16;
const HEADER_PART_COUNT_AT = 24;
const HEADER_CONTROL_AT = 32;
const HEADER_CONTROL_BYTES_AT = 40;
const PART_BYTES = 16;
const CONTROL_BYTES = 64;
const CONTROL_HEADER_BYTES = 16;

/** Memory that the kernel writes a datagram to, and beside it which network namespace it tells of. @see recvmsg(2) */
export class MessageBuffer implements Disposable {
  readonly #memory: bigint;
  readonly #view: DataView;
  readonly #dataBytes: number;

  /** @param dataBytes of the longest datagram */
  constructor(dataBytes: number) {
    this.#dataBytes = dataBytes;
    const size = HEADER_BYTES + PART_BYTES + CONTROL_BYTES + dataBytes;
    this.#memory = koffi.alloc('uint8_t', size);
    this.#view = new DataView(koffi.view(this.#memory, size));
  }

  /** Gives the address of a `struct msghdr`; what was received before is forgotten. */
  prepare(): bigint {
    const part = HEADER_BYTES;
    const control = part + PART_BYTES;
    for (let offset = 0; offset < control + CONTROL_BYTES; offset += 8) this.#setWord(offset, 0n);
    this.#setWord(HEADER_PARTS_AT, this.#memory + BigInt(part));
    this.#setWord(HEADER_PART_COUNT_AT, 1n);
    this.#setWord(HEADER_CONTROL_AT, this.#memory + BigInt(control));
    this.#setWord(HEADER_CONTROL_BYTES_AT, BigInt(CONTROL_BYTES));
    this.#setWord(part, this.#memory + BigInt(control + CONTROL_BYTES));
    this.#setWord(part + 8, BigInt(this.#dataBytes));
    return this.#memory;
  }

  /** What was received. */
  copy(size: number): Uint8Array {
    const begin = HEADER_BYTES + PART_BYTES + CONTROL_BYTES;
    return new Uint8Array(this.#view.buffer.slice(begin, begin + size));
  }

  /** The namespace's number that came with it. */
  namespace(): number | undefined {
    const control = HEADER_BYTES + PART_BYTES;
    const size = Number(this.#view.getBigUint64(HEADER_CONTROL_BYTES_AT, IS_LITTLE_ENDIAN));
    if (size < CONTROL_HEADER_BYTES + 4) return undefined;
    const level = this.#view.getInt32(control + 8, IS_LITTLE_ENDIAN);
    const type = this.#view.getInt32(control + 12, IS_LITTLE_ENDIAN);
    if (level !== SOL_NETLINK || type !== LISTEN_ALL_NAMESPACES) return undefined;
    return this.#view.getInt32(control + CONTROL_HEADER_BYTES, IS_LITTLE_ENDIAN);
  }

  [Symbol.dispose](): void {
    koffi.free(this.#memory);
  }

  #setWord(offset: number, value: bigint): void {
    this.#view.setBigUint64(offset, value, IS_LITTLE_ENDIAN);
  }
}
