import { BpfMap, type MapInfo, sizeOfValue } from './bpf-map.ts';
import { bytes, type Codec } from './codec.ts';
import { requireNamed } from './error.ts';
import { each, native, type Pointer } from './native.ts';
import { Owner } from './owner.ts';
import { Program } from './program.ts';
import { type ReadRecord, RingBuffer, type RingBufferOptions, readBytes, readWith } from './ring-buffer.ts';

/**
 * An object in the kernel: its maps and programs live as long as this is not disposed of, or longer where something else in the
 * kernel holds them. What was taken from it keeps it.
 */
export class LoadedObject implements Disposable {
  readonly name: string;
  readonly programs: ReadonlyMap<string, Program>;
  readonly #maps: ReadonlyMap<string, MapInfo>;
  /** They must not look at a file descriptor that is closed. */
  readonly #readers = new DisposableStack();
  readonly #owner: Owner;

  /** @internal */
  constructor(name: string, object: Pointer) {
    const lib = native();
    this.name = name;
    this.#owner = Owner.of(name, object, lib.objectClose);
    const programs = [...each(object, lib.nextProgram)].map((program) => new Program(lib.programName(program), program, this.#owner));
    this.programs = new Map(programs.map((program) => [program.name, program]));
    const maps = [...each(object, lib.nextMap)].map((map) => ({
      name: lib.mapName(map),
      fd: lib.mapFd(map),
      type: lib.mapType(map),
      keySize: lib.mapKeySize(map),
      valueSize: lib.mapValueSize(map),
      maxEntries: lib.mapMaxEntries(map),
    }));
    this.#maps = new Map(maps.map((map) => [map.name, map]));
  }

  get maps(): readonly string[] {
    return [...this.#maps.keys()];
  }

  /** @throws BpfError `not-found` */
  program(name: string): Program {
    return requireNamed(this.name, 'program', name, this.programs);
  }

  /**
   * A map, with keys and values as they are in memory, or as codecs say.
   * @throws BpfError `not-found`, or `layout-mismatch` where a codec has another size than the map
   */
  map(name: string): BpfMap<Uint8Array, Uint8Array>;
  map<K, V>(name: string, key: Codec<K>, value: Codec<V>): BpfMap<K, V>;
  map(name: string, key?: Codec<unknown>, value?: Codec<unknown>): BpfMap<unknown, unknown> {
    const info = this.#info(name);
    return new BpfMap(info, key ?? bytes(info.keySize), value ?? bytes(sizeOfValue(info)), this.#owner);
  }

  /**
   * The records that programs put into a ring buffer. There is one reader of a ring buffer.
   * @throws BpfError `not-found`, or `layout-mismatch` where the map is none
   */
  ringBuffer(name: string): RingBuffer<Uint8Array>;
  ringBuffer<T>(name: string, record: Codec<T>, options?: RingBufferOptions): RingBuffer<T>;
  ringBuffer<T>(name: string, record?: Codec<T>, options: RingBufferOptions = {}): RingBuffer<T> | RingBuffer<Uint8Array> {
    return record ? this.#open(name, readWith(record), options) : this.#open(name, readBytes, options);
  }

  #open<T>(name: string, readRecord: ReadRecord<T>, options: RingBufferOptions): RingBuffer<T> {
    return this.#readers.use(new RingBuffer(this.#info(name), readRecord, this.#owner, options));
  }

  #info(name: string): MapInfo {
    return requireNamed(this.name, 'map', name, this.#maps);
  }

  /** Batches that are under way are finished first. */
  [Symbol.dispose](): void {
    this.#readers.dispose();
    this.#owner[Symbol.dispose]();
  }
}
