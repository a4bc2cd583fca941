import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { basename } from 'node:path';
import { type ElfVariable, elfVariables } from './btf/elf.ts';
import type { Codec } from './codec.ts';
import { BpfError, requireNamed } from './error.ts';
import { missingFor } from './features.ts';
import { missingHelpers } from './helper-probe.ts';
import { LoadedObject } from './loaded-object.ts';
import { MapSpec } from './map-spec.ts';
import { each, native, type Pointer } from './native.ts';
import { Owner } from './owner.ts';
import { PinMigrations } from './pin-migrations.ts';
import { VariableSpec } from './variable-spec.ts';
import { VerifierLogs } from './verifier-log.ts';

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
  readonly #bytes: Uint8Array;
  #variables: ReadonlyMap<string, ElfVariable> | undefined;
  readonly #object: Pointer;
  readonly #owner: Owner;

  private constructor(name: string, object: Pointer, bytes: Uint8Array) {
    const lib = native();
    this.#bytes = bytes;
    this.name = name;
    this.#object = object;
    this.#owner = Owner.of(name, object, lib.objectClose);
    const maps = [...each(object, lib.nextMap)].map((map) => new MapSpec(map, this.#owner));
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
    return new ObjectSpec(name, object, bytes);
  }

  /** @throws BpfError `not-found` */
  map(name: string): MapSpec {
    return requireNamed(this.name, 'map', name, this.maps);
  }

  /**
   * A global variable of the programs, which can be set until the object is loaded; those that are `const volatile` only until then.
   * @throws BpfError `not-found`, or `layout-mismatch` where the codec has another size
   */
  variable<T>(name: string, codec: Codec<T>): VariableSpec<T> {
    this.#variables ??= new Map(
      elfVariables(this.#bytes).flatMap((variable) => (variable.section === '.maps' ? [] : [[variable.name, variable]])),
    );
    const place = requireNamed(this.name, 'variable', name, this.#variables);
    const map = [...this.maps.values()].find((candidate) => candidate.name.endsWith(place.section));
    if (!map) throw new BpfError('not-found', `${name} is no variable of ${this.name} that can be set: it is in ${place.section}`);
    return new VariableSpec(place, map, codec);
  }

  /**
   * Loads maps and programs into the kernel, off the event loop. The spec is used up by that, whatever comes of it.
   * @throws BpfError `pin-mismatch`, and the spec is not used up; `load-failed`, with the program and all that the verifier said where that is why; `closed`
   */
  async load(): Promise<LoadedObject> {
    const object = this.#object;
    this.#owner.checkOpen();
    using migrations = new PinMigrations([...this.maps.values()]);
    this.#owner.disown();
    const lib = native();
    using logs = new VerifierLogs([...each(object, lib.nextProgram)]);
    const result = await lib.objectLoad(object);
    if (result === 0) {
      using unfinished = new DisposableStack();
      const loaded = unfinished.use(new LoadedObject(this.name, object));
      await migrations.finish(loaded);
      unfinished.move();
      return loaded;
    }
    const refused = logs.find();
    const refusedProgram = [...each(object, lib.nextProgram)].find((program) => lib.programName(program) === refused?.program);
    const helpers = refusedProgram === undefined ? [] : missingHelpers(refusedProgram);
    const missing = [...missingFor([...this.programs.values()], [...this.maps.values()]), ...helpers];
    lib.objectClose(object);
    const what = refused ? `the program ${refused.program} of ${this.name}` : this.name;
    const why = missing.length > 0 ? `, which has no ${missing.join(', no ')}` : '';
    const kernel = release();
    throw new BpfError('load-failed', `Linux ${kernel} refused ${what}${why}`, { errno: -result, kernel, missing, ...refused });
  }

  [Symbol.dispose](): void {
    this.#owner[Symbol.dispose]();
  }
}
