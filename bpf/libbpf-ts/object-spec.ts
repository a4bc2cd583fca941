import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { basename } from 'node:path';
import { BpfError } from './error.ts';
import { missingFor } from './features.ts';
import { LoadedObject } from './loaded-object.ts';
import { each, type MapLayout, native, type Pointer } from './native.ts';
import { VerifierLogs } from './verifier-log.ts';

const LAYOUT_FIELDS = ['type', 'keySize', 'valueSize', 'maxEntries', 'flags'] as const satisfies readonly (keyof MapLayout)[];

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
  #pinPath: string | undefined;

  /** @internal */
  constructor(map: Pointer) {
    const lib = native();
    this.#map = map;
    this.name = lib.mapName(map);
    this.type = lib.mapType(map);
    this.keySize = lib.mapKeySize(map);
    this.valueSize = lib.mapValueSize(map);
  }

  get maxEntries(): number {
    return native().mapMaxEntries(this.#map);
  }

  set maxEntries(entries: number) {
    const result = native().setMapMaxEntries(this.#map, entries);
    if (result < 0) throw new BpfError('load-failed', `map ${this.name} cannot have ${entries} entries`, { errno: -result });
  }

  /** Where the map is pinned, in a BPF file system: if there is a map, that is used, else this one is put there. Default: nowhere. */
  get pinPath(): string | undefined {
    return this.#pinPath;
  }

  set pinPath(path: string) {
    const result = native().setMapPinPath(this.#map, path);
    if (result < 0) throw new BpfError('load-failed', `map ${this.name} cannot be pinned at ${path}`, { errno: -result });
    this.#pinPath = path;
  }

  /** @internal @throws BpfError `pin-mismatch` where there is a map that cannot take this one's place */
  checkPinned(): void {
    if (this.#pinPath === undefined) return;
    const pinned = describePinned(this.#pinPath);
    if (!pinned) return;
    const { type, keySize, valueSize, maxEntries } = this;
    const wanted: MapLayout = { type, keySize, valueSize, maxEntries, flags: native().mapFlags(this.#map) };
    const differences = LAYOUT_FIELDS.filter((field) => pinned[field] !== wanted[field]);
    if (differences.length === 0) return;
    const told = differences.map((field) => `${field} ${pinned[field]}, not ${wanted[field]}`).join(', ');
    throw new BpfError('pin-mismatch', `the map at ${this.#pinPath} is not as ${this.name} is to be: ${told}`);
  }

  /** The content of a section of variables, such as `.rodata`; undefined for other maps. */
  get initialValue(): Uint8Array | undefined {
    return native().mapInitialValue(this.#map);
  }

  /** @throws BpfError `layout-mismatch` where it has another size */
  set initialValue(value: Uint8Array) {
    const result = native().setMapInitialValue(this.#map, value);
    if (result < 0) throw new BpfError('layout-mismatch', `${value.byteLength} bytes do not fit ${this.name}`, { errno: -result });
  }
}

/** A program as the object declares it. */
export interface ProgramSpec {
  readonly name: string;
  /** Such as `tc` or `cgroup/connect4`. */
  readonly section: string;
  /** As `enum bpf_prog_type` has it. */
  readonly type: number;
}

/**
 * An eBPF object that is read and not loaded. What is in it can be looked at and set, and then loaded once.
 *
 *     using spec = ObjectSpec.open('filter.bpf.o');
 *     spec.map('flows').maxEntries = 1 << 16;
 *     using loaded = await spec.load();
 */
export class ObjectSpec implements Disposable {
  readonly name: string;
  readonly maps: ReadonlyMap<string, MapSpec>;
  readonly programs: ReadonlyMap<string, ProgramSpec>;
  #object: Pointer | undefined;

  private constructor(name: string, object: Pointer) {
    const lib = native();
    this.name = name;
    this.#object = object;
    const maps = [...each(object, lib.nextMap)].map((map) => new MapSpec(map));
    this.maps = new Map(maps.map((map) => [map.name, map]));
    const programs = [...each(object, lib.nextProgram)].map((program) => ({
      name: lib.programName(program),
      section: lib.programSection(program),
      type: lib.programType(program),
    }));
    this.programs = new Map(programs.map((program) => [program.name, program]));
  }

  /**
   * Reads an object from a file, or from bytes.
   * @param name for messages; default: the name of the file
   * @throws BpfError `open-failed` or `library-missing`, or what reading the file throws
   */
  static open(source: string | Uint8Array, name = typeof source === 'string' ? basename(source) : 'object'): ObjectSpec {
    const bytes = typeof source === 'string' ? readFileSync(source) : source;
    const lib = native();
    const object = lib.objectOpen(bytes, name.replaceAll(/\W/g, '_'));
    if (object === null) throw new BpfError('open-failed', `${name} is no eBPF object`, { errno: lib.errno() });
    return new ObjectSpec(name, object);
  }

  /** @throws BpfError `not-found` */
  map(name: string): MapSpec {
    const map = this.maps.get(name);
    if (map) return map;
    throw new BpfError('not-found', `${this.name} has no map ${name}; it has ${[...this.maps.keys()].join(', ') || 'none'}`);
  }

  /**
   * Loads maps and programs into the kernel, off the event loop. The spec is used up by that, whatever comes of it.
   * @throws BpfError `pin-mismatch`, and the spec is not used up; `load-failed`, with the program and all that the verifier said where that is why; `closed`
   */
  async load(): Promise<LoadedObject> {
    const object = this.#object;
    if (object === undefined) throw new BpfError('closed', `${this.name} was loaded or disposed of`);
    for (const map of this.maps.values()) map.checkPinned();
    this.#object = undefined;
    const lib = native();
    using logs = new VerifierLogs([...each(object, lib.nextProgram)]);
    const result = await lib.objectLoad(object);
    if (result === 0) return new LoadedObject(this.name, object);
    const refused = logs.find();
    lib.objectClose(object);
    const missing = missingFor([...this.programs.values()], [...this.maps.values()]);
    const what = refused ? `the program ${refused.program} of ${this.name}` : this.name;
    const why = missing.length > 0 ? `, which has no ${missing.join(', no ')}` : '';
    throw new BpfError('load-failed', `Linux ${release()} refused ${what}${why}`, { errno: -result, missing, ...refused });
  }

  [Symbol.dispose](): void {
    if (this.#object !== undefined) native().objectClose(this.#object);
    this.#object = undefined;
  }
}

/** The layout of the map at a path; undefined where there is none, or something else, which libbpf refuses itself. */
function describePinned(path: string): MapLayout | undefined {
  const lib = native();
  const fd = lib.pinnedOpen(path);
  if (fd < 0) return undefined;
  try {
    return lib.describeMap(fd);
  } finally {
    lib.closeFd(fd);
  }
}
