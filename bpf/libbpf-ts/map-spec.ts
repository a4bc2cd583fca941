import { BpfError } from './error.ts';
import { type MapLayout, native, type Pointer } from './native.ts';
import type { Owner } from './owner.ts';

export type MigrateEntry = (key: Uint8Array, value: Uint8Array) => readonly [key: Uint8Array, value: Uint8Array] | undefined;

/** A map as the object declares it. Its size may be changed until the object is loaded. */
export class MapSpec {
  readonly name: string;
  /** As `enum bpf_map_type` has it. */
  readonly type: number;
  /** In bytes. */
  readonly keySize: number;
  /** In bytes; of maps for each CPU, the value of one. */
  readonly valueSize: number;
  readonly #map: Pointer;
  readonly #owner: Owner;
  #pinPath: string | undefined;

  /** @internal */
  constructor(map: Pointer, owner: Owner) {
    const lib = native();
    this.#map = map;
    this.#owner = owner;
    this.name = lib.mapName(map);
    this.type = lib.mapType(map);
    this.keySize = lib.mapKeySize(map);
    this.valueSize = lib.mapValueSize(map);
  }

  get maxEntries(): number {
    return native().mapMaxEntries(this.#pointer);
  }

  set maxEntries(entries: number) {
    const result = native().setMapMaxEntries(this.#pointer, entries);
    if (result < 0) throw new BpfError('load-failed', `map ${this.name} cannot have ${entries} entries`, { errno: -result });
  }

  /** Where the map is pinned, in a BPF file system: if there is a map, that is used, else this one is put there. Default: nowhere. */
  get pinPath(): string | undefined {
    return this.#pinPath;
  }

  set pinPath(path: string) {
    this.pinAt(path);
    this.#pinPath = path;
  }

  /** @internal Where it is put when it is loaded, if that is not where it is to be in the end. */
  pinAt(path: string): void {
    const result = native().setMapPinPath(this.#pointer, path);
    if (result < 0) throw new BpfError('load-failed', `map ${this.name} cannot be pinned at ${path}`, { errno: -result });
  }

  /**
   * What is to become of each entry where the pinned map has another layout than this one: the same in the new layout, or undefined for
   * what is to be left out. Without it such a map is refused.
   */
  migrate: MigrateEntry | undefined;

  /** @internal How it is to be. */
  get layout(): MapLayout {
    const { type, keySize, valueSize, maxEntries } = this;
    return { type, keySize, valueSize, maxEntries, flags: native().mapFlags(this.#pointer) };
  }

  /** The content of a section of variables, such as `.rodata`; undefined for other maps. */
  get initialValue(): Uint8Array | undefined {
    return native().mapInitialValue(this.#pointer);
  }

  /** @throws BpfError `layout-mismatch` where it has another size */
  set initialValue(value: Uint8Array) {
    const result = native().setMapInitialValue(this.#pointer, value);
    if (result < 0) throw new BpfError('layout-mismatch', `${value.byteLength} bytes do not fit ${this.name}`, { errno: -result });
  }

  /** It is gone with the object. @throws BpfError `closed` */
  get #pointer(): Pointer {
    this.#owner.checkOpen();
    return this.#map;
  }
}
