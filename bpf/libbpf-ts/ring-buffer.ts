import type { MapInfo } from './bpf-map.ts';
import type { Codec } from './codec.ts';
import { BpfError } from './error.ts';
import { MapType } from './map-type.ts';
import { native, type SharedMemory, type Watch } from './native.ts';
import type { Owner } from './owner.ts';
import { RingRecords } from './ring-records.ts';

export interface RingBufferOptions {
  /** Records that wait to be read, at most; of those that come then none is kept, and `dropped` counts them. Default 65 536. */
  readonly capacity?: number;
}

/** Records that are taken before the event loop has its turn. */
const AT_ONCE = 4096;

/** Reads a record from the kernel's memory; undefined where it is none. What is returned shares no memory with it. */
export type ReadRecord<T> = (memory: DataView, offset: number, size: number) => { readonly value: T } | undefined;

/** Records as they are. */
export const readBytes: ReadRecord<Uint8Array> = (memory, offset, size) => ({
  value: new Uint8Array(memory.buffer, memory.byteOffset + offset, size).slice(),
});

/** Records of one form; what follows it in a record is left out. */
export function readWith<T>(codec: Codec<T>): ReadRecord<T> {
  return (memory, offset, size) => (size < codec.size ? undefined : { value: codec.decode(memory, offset) });
}

/**
 * What programs tell, in their order. Reading begins at once, so that the programs have room, whether somebody asks or not. Who waits
 * for a record keeps the process.
 *
 *     using events = loaded.ringBuffer('events', struct({ kind: u32, size: u32 }));
 *     for await (const { kind, size } of events) console.log(kind, size);
 */
export class RingBuffer<T> implements AsyncIterableIterator<T>, Disposable {
  /** Records that came when as many waited as may. */
  dropped = 0;
  /** Records that were none of the form that was asked for. */
  malformed = 0;
  readonly #readRecord: ReadRecord<T>;
  readonly #capacity: number;
  readonly #owner: Owner;
  readonly #memory: readonly SharedMemory[];
  readonly #records: RingRecords;
  readonly #watch: Watch;
  readonly #waiting: ((result: IteratorResult<T>) => void)[] = [];
  /** An array and how much of it was read, since to shift an array is to move all of it. */
  #queue: IteratorYieldResult<T>[] = [];
  #read = 0;
  #isClosed = false;

  /** @internal */
  constructor(info: MapInfo, readRecord: ReadRecord<T>, owner: Owner, { capacity = 65_536 }: RingBufferOptions) {
    owner.checkOpen();
    if (info.type !== MapType.ringBuffer) throw new BpfError('layout-mismatch', `map ${info.name} is no ring buffer`);
    this.#readRecord = readRecord;
    this.#capacity = capacity;
    this.#owner = owner;
    const { fd, maxEntries: size } = info;
    const pageSize = native().pageSize();
    const consumer = share(info, 0, pageSize, 'write');
    const producer = share(info, pageSize, pageSize + 2 * size, 'read');
    this.#memory = [consumer, producer];
    this.#records = new RingRecords({ consumer: consumer.buffer, producer: producer.buffer, pageSize, size });
    this.#watch = native().onReadable(fd, () => this.#takeSome());
  }

  /** Records that wait to be read. */
  get length(): number {
    return this.#queue.length - this.#read;
  }

  next(): Promise<IteratorResult<T>> {
    const result = this.#shift();
    if (result) return Promise.resolve(result);
    if (this.#isClosed || this.#owner.isClosed) return Promise.resolve({ done: true, value: undefined });
    this.#watch.keepProcess(true);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<T>> {
    this[Symbol.dispose]();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Reads no more. What waits to be read can still be. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch[Symbol.dispose]();
    for (const memory of this.#memory) memory[Symbol.dispose]();
    for (const resolve of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
  }

  #takeSome(): void {
    if (this.#isClosed) return;
    this.#records.take(AT_ONCE, (memory, offset, size) => {
      if (this.length >= this.#capacity) this.dropped += 1;
      else this.#give(this.#readRecord(memory, offset, size));
    });
  }

  #give(record: { readonly value: T } | undefined): void {
    if (!record) {
      this.malformed += 1;
      return;
    }
    const result = { done: false, value: record.value } as const;
    const resolve = this.#waiting.shift();
    if (!resolve) {
      this.#queue.push(result);
      return;
    }
    if (this.#waiting.length === 0) this.#watch.keepProcess(false);
    resolve(result);
  }

  #shift(): IteratorYieldResult<T> | undefined {
    const result = this.#queue[this.#read];
    if (result) this.#read += 1;
    if (this.#read > AT_ONCE || this.#read === this.#queue.length) {
      this.#queue = this.#queue.slice(this.#read);
      this.#read = 0;
    }
    return result;
  }
}

function share({ name, fd }: MapInfo, offset: number, size: number, access: 'read' | 'write'): SharedMemory {
  const lib = native();
  const memory = lib.share(fd, offset, size, access);
  if (memory) return memory;
  throw new BpfError('map-failed', `map ${name} cannot be read through memory`, { errno: lib.errno() });
}
