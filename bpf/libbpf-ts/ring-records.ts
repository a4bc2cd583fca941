/** Called with each record; the memory is the kernel's own, and the record is gone afterwards. */
export type TakeRecord = (memory: DataView, offset: number, size: number) => void;

/** As the kernel has them before each record. */
const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;
const HEADER_BYTES = 8;

/** The three parts of a ring buffer's memory. */
export interface RingMemory {
  /** How far the reader is: one page. */
  readonly consumer: ArrayBuffer;
  /** How far the programs are: one page, and after it the records, twice, so that none is cut in two. */
  readonly producer: ArrayBuffer;
  readonly pageSize: number;
  /** Bytes of records; a power of two. */
  readonly size: number;
}

/**
 * Reads the records of a ring buffer from memory that is shared with the kernel.
 * @see https://docs.kernel.org/bpf/ringbuf.html
 */
export class RingRecords {
  readonly #size: number;
  readonly #consumed: BigUint64Array<ArrayBuffer>;
  readonly #produced: BigUint64Array<ArrayBuffer>;
  readonly #headers: Uint32Array<ArrayBuffer>;
  readonly #records: DataView;

  constructor({ consumer, producer, pageSize, size }: RingMemory) {
    this.#size = size;
    this.#consumed = new BigUint64Array(consumer, 0, 1);
    this.#produced = new BigUint64Array(producer, 0, 1);
    this.#headers = new Uint32Array(producer, pageSize, (2 * size) / 4);
    this.#records = new DataView(producer, pageSize, 2 * size);
  }

  /** Takes at most so many records, and gives their room back. */
  take(limit: number, take: TakeRecord): void {
    const end = Number(Atomics.load(this.#produced, 0));
    let at = Number(Atomics.load(this.#consumed, 0));
    let taken = 0;
    while (at < end && taken < limit) {
      const offset = at % this.#size;
      const header = Atomics.load(this.#headers, offset / 4);
      // Being written; what comes after it waits for it.
      if ((header & BUSY) !== 0) break;
      const size = header % DISCARDED;
      if ((header & DISCARDED) === 0) take(this.#records, offset + HEADER_BYTES, size);
      taken += 1;
      at += HEADER_BYTES + Math.ceil(size / 8) * 8;
    }
    Atomics.store(this.#consumed, 0, BigInt(at));
  }
}
