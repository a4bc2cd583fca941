import type { ElfVariable } from './btf/elf.ts';
import { type Codec, viewOf } from './codec.ts';
import { BpfError } from './error.ts';
import type { MapSpec } from './map-spec.ts';

/** A global variable of an object that is not loaded. */
export class VariableSpec<T> {
  readonly name: string;
  readonly #place: ElfVariable;
  readonly #map: MapSpec;
  readonly #codec: Codec<T>;

  /** @internal */
  constructor(place: ElfVariable, map: MapSpec, codec: Codec<T>) {
    if (codec.size !== place.size) {
      throw new BpfError('layout-mismatch', `the variable ${place.name} has ${place.size} bytes, not ${codec.size}`);
    }
    this.name = place.name;
    this.#place = place;
    this.#map = map;
    this.#codec = codec;
  }

  get value(): T {
    return this.#codec.decode(viewOf(this.#section()), this.#place.offset);
  }

  /** @throws BpfError `load-failed` where the object is loaded */
  set value(value: T) {
    const section = this.#section();
    this.#codec.encode(value, viewOf(section), this.#place.offset);
    this.#map.initialValue = section;
  }

  #section(): Uint8Array {
    const section = this.#map.initialValue;
    const { offset, size } = this.#place;
    if (section && offset + size <= section.byteLength) return section;
    throw new BpfError('layout-mismatch', `the variable ${this.name} is outside of its section`);
  }
}
