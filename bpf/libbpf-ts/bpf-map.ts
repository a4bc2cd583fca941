import { setImmediate } from 'node:timers/promises';
import { array, type Codec, encodeAll, roundUp, viewOf } from './codec.ts';
import { BpfError } from './error.ts';
import { PER_CPU_TYPES, READ_IN_BATCHES } from './map-type.ts';
import { type LookupBatchBuffers, native } from './native.ts';
import type { Owner } from './owner.ts';

/** A map in the kernel, as it was made. */
export interface MapInfo {
  readonly name: string;
  readonly fd: number;
  /** As `enum bpf_map_type` has it, see `MapType`. */
  readonly type: number;
  /** In bytes. */
  readonly keySize: number;
  /** In bytes; of maps for each CPU, the value of one. */
  readonly valueSize: number;
  readonly maxEntries: number;
}

/** When `set` may write: `any` time, only a key that is `new`, or only one that is `present`. */
export type SetMode = 'any' | 'new' | 'present';

const FLAGS = { any: 0, new: 1, present: 2 } satisfies Record<SetMode, number>;
const ENOENT = 2;
const EEXIST = 17;
const ENOSPC = 28;
/** Entries that are encoded or decoded in one turn of the event loop. */
const BATCH = 1024;

/**
 * Reads and writes a map. Single operations are system calls and take less than a microsecond or two; batches run off the event loop.
 * Of maps for each CPU, a value is what `perCpu` makes of one.
 */
export class BpfMap<K, V> {
  readonly info: MapInfo;
  readonly #owner: Owner;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #keyBytes: Uint8Array;
  readonly #valueBytes: Uint8Array;
  readonly #keyView: DataView;
  readonly #valueView: DataView;

  /**
   * @internal
   * @throws BpfError `layout-mismatch`
   */
  constructor(info: MapInfo, key: Codec<K>, value: Codec<V>, owner: Owner) {
    const valueSize = sizeOfValue(info);
    if (key.size !== info.keySize || value.size !== valueSize) {
      const has = `keys of ${info.keySize} and values of ${valueSize} bytes`;
      throw new BpfError('layout-mismatch', `map ${info.name} has ${has}, not of ${key.size} and ${value.size}`);
    }
    this.info = info;
    this.#owner = owner;
    this.#key = key;
    this.#value = value;
    this.#keyBytes = new Uint8Array(info.keySize);
    this.#valueBytes = new Uint8Array(valueSize);
    this.#keyView = viewOf(this.#keyBytes);
    this.#valueView = viewOf(this.#valueBytes);
  }

  get isOpen(): boolean {
    return !this.#owner.isClosed;
  }

  /** Also what stands for this map as a value in a map of maps. @throws BpfError `closed` */
  get fd(): number {
    this.#owner.checkOpen();
    return this.info.fd;
  }

  /** What the kernel calls it, and what a map of maps has for it when it is read. @throws BpfError `closed` */
  get id(): number {
    return native().describeMap(this.fd)?.id ?? 0;
  }

  /** Lets it outlive this process, at a path in a BPF file system. @throws BpfError `map-failed` */
  pin(path: string): void {
    this.#check(`pinned at ${path}`, native().pin(this.fd, path));
  }

  /** @throws BpfError `map-failed` or `closed` */
  get(key: K): V | undefined {
    this.#key.encode(key, this.#keyView, 0);
    const result = native().lookup(this.fd, this.#keyBytes, this.#valueBytes);
    return this.#found('read', result) ? this.#value.decode(this.#valueView, 0) : undefined;
  }

  /**
   * Writes a value, if its key is as the mode says.
   * @returns whether it was written
   * @throws BpfError `map-failed`, with `E2BIG` where the map is full; `closed`
   */
  set(key: K, value: V, mode: SetMode = 'any'): boolean {
    this.#key.encode(key, this.#keyView, 0);
    this.#value.encode(value, this.#valueView, 0);
    const result = native().update(this.fd, this.#keyBytes, this.#valueBytes, FLAGS[mode]);
    if (result === -EEXIST && mode === 'new') return false;
    if (result === -ENOENT && mode === 'present') return false;
    this.#check('written', result);
    return true;
  }

  /** @returns whether it was there */
  delete(key: K): boolean {
    this.#key.encode(key, this.#keyView, 0);
    return this.#found('deleted', native().delete(this.fd, this.#keyBytes));
  }

  /** Reads a value and deletes it, at once. @throws BpfError `map-failed` where the kernel cannot do that for this type */
  take(key: K): V | undefined {
    this.#key.encode(key, this.#keyView, 0);
    const result = native().lookupAndDelete(this.fd, this.#keyBytes, this.#valueBytes);
    return this.#found('taken', result) ? this.#value.decode(this.#valueView, 0) : undefined;
  }

  /** What is in the map, in no order. What is written or deleted meanwhile may be there or not. */
  *entries(): Generator<readonly [key: K, value: V]> {
    yield* READ_IN_BATCHES.has(this.info.type) ? this.#readBatches() : this.#readSingly();
  }

  /**
   * The same off the event loop, some at a time.
   * @throws BpfError `map-failed` or `closed`
   */
  async *batches(): AsyncGenerator<readonly (readonly [key: K, value: V])[]> {
    if (!READ_IN_BATCHES.has(this.info.type)) {
      for (const batch of inBatches(this.#readSingly())) {
        yield batch;
        await setImmediate();
      }
      return;
    }
    let next = firstBatch();
    do {
      const buffers = this.#buffersFor(next);
      {
        using _open = this.#owner.use();
        next = this.#after(buffers, await native().lookupBatchAside(this.info.fd, buffers));
      }
      if (next.isRead) yield [...this.#decode(buffers)];
    } while (!next.isLast);
  }

  /**
   * Writes many, off the event loop. They are taken from where they come some at a time, with turns of the event loop between. Where it fails,
   * some are written.
   * @throws BpfError `map-failed` or `closed`, or what an encoder throws
   */
  async setAll(entries: Iterable<readonly [key: K, value: V]>): Promise<void> {
    using _open = this.#owner.use();
    for (const batch of inBatches(entries)) {
      const [keys, values] = [batch.map(([key]) => key), batch.map(([, value]) => value)];
      await this.#write(encodeAll(this.#key, keys), encodeAll(this.#value, values), batch.length);
    }
  }

  /** The same with keys and values one after the other, as they are in memory, at once. They must not change meanwhile. */
  async setAllBytes(keys: Uint8Array, values: Uint8Array): Promise<void> {
    const count = keys.byteLength / this.info.keySize;
    if (!Number.isInteger(count) || values.byteLength !== count * this.#value.size) {
      throw new BpfError(
        'layout-mismatch',
        `${keys.byteLength} bytes of keys and ${values.byteLength} of values are no entries of ${this.info.name}`,
      );
    }
    using _open = this.#owner.use();
    if (count > 0) await this.#write(keys, values, count);
  }

  /** Deletes many, off the event loop, as `setAll` writes them. Stops at one that is not there, which is an error. */
  async deleteAll(keys: Iterable<K>): Promise<void> {
    using _open = this.#owner.use();
    for (const batch of inBatches(keys)) {
      this.#check('deleted', await native().deleteBatch(this.info.fd, encodeAll(this.#key, batch), Uint32Array.of(batch.length)));
    }
  }

  async #write(keys: Uint8Array, values: Uint8Array, count: number): Promise<void> {
    this.#check('written', await native().updateBatch(this.info.fd, keys, values, Uint32Array.of(count)));
  }

  *#readBatches(): Generator<readonly [K, V]> {
    let next = firstBatch();
    do {
      const buffers = this.#buffersFor(next);
      next = this.#after(buffers, native().lookupBatch(this.fd, buffers));
      if (next.isRead) yield* this.#decode(buffers);
    } while (!next.isLast);
  }

  #buffersFor({ from, size }: NextBatch): LookupBatchBuffers {
    const { keySize } = this.info;
    const to = new Uint8Array(Math.max(keySize, 4));
    return { from, to, keys: new Uint8Array(size * keySize), values: new Uint8Array(size * this.#value.size), count: Uint32Array.of(size) };
  }

  #after({ from, to, count: [size = 0], keys }: LookupBatchBuffers, result: number): NextBatch {
    const room = keys.byteLength / this.info.keySize;
    // More than that are in one bucket of a hash, which is read as a whole.
    if (result === -ENOSPC) return { from, size: room * 4, isRead: false, isLast: false };
    if (result !== -ENOENT) this.#check('read', result);
    return { from: to, size: room, isRead: size > 0, isLast: result === -ENOENT };
  }

  *#decode({ keys, values, count }: LookupBatchBuffers): Generator<readonly [K, V]> {
    const [keyView, valueView] = [viewOf(keys), viewOf(values)];
    for (let index = 0; index < (count[0] ?? 0); index += 1) {
      yield [this.#key.decode(keyView, index * this.info.keySize), this.#value.decode(valueView, index * this.#value.size)];
    }
  }

  *#readSingly(): Generator<readonly [K, V]> {
    let before: Uint8Array | null = null;
    for (;;) {
      const key: Uint8Array = new Uint8Array(this.info.keySize);
      if (!this.#found('read', native().nextKey(this.fd, before, key))) return;
      const value = new Uint8Array(this.#value.size);
      const result = native().lookup(this.fd, key, value);
      if (this.#found('read', result)) yield [this.#key.decode(viewOf(key), 0), this.#value.decode(viewOf(value), 0)];
      before = key;
    }
  }

  #found(what: string, result: number): boolean {
    if (result === -ENOENT) return false;
    this.#check(what, result);
    return true;
  }

  #check(what: string, result: number): void {
    if (result < 0) throw new BpfError('map-failed', `map ${this.info.name} cannot be ${what}`, { errno: -result });
  }
}

/** Which entries of a map are read next. */
interface NextBatch {
  readonly from: Uint8Array | null;
  /** How many there is room for. */
  readonly size: number;
  /** Whether the one before had any. */
  readonly isRead: boolean;
  readonly isLast: boolean;
}

function firstBatch(): NextBatch {
  return { from: null, size: BATCH, isRead: false, isLast: false };
}

/** All of them, so many at a time. */
function* inBatches<T>(all: Iterable<T>): Generator<readonly T[]> {
  let batch: T[] = [];
  for (const one of all) {
    batch.push(one);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Of maps for each CPU: a value of each, by its number. */
export function perCpu<V>(value: Codec<V>): Codec<readonly V[]> {
  const cpus = native().possibleCpus();
  return array(value, cpus, 8);
}

/** In bytes, as the kernel reads and writes it. */
export function sizeOfValue({ type, valueSize }: MapInfo): number {
  return PER_CPU_TYPES.has(type) ? roundUp(valueSize, 8) * native().possibleCpus() : valueSize;
}
