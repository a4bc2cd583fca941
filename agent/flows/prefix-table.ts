import { isIP } from 'node:net';
import { encodeAddress, encodePrefix } from '../../bpf/datapath/index.ts';

/** Values by prefixes of addresses, of which the longest decides. */
export class PrefixTable<V> {
  /** By length in bits, IPv4 counted as it is in IPv6; within that by the prefix. */
  readonly #byLength = new Map<number, Map<string, V>>();
  /** The longest first. */
  #lengths: readonly number[] = [];

  /** @throws DatapathError `invalid-address` */
  set(prefix: string, value: V): void {
    const { length, family, address } = encodePrefix(prefix);
    const known = this.#byLength.get(length);
    const values = known ?? new Map<string, V>();
    values.set(keyOf(family, address), value);
    if (known) return;
    this.#byLength.set(length, values);
    this.#lengths = [...this.#byLength.keys()].sort((a, b) => b - a);
  }

  /** @throws DatapathError `invalid-address` */
  delete(prefix: string): void {
    const { length, family, address } = encodePrefix(prefix);
    const values = this.#byLength.get(length);
    if (!values?.delete(keyOf(family, address)) || values.size > 0) return;
    this.#byLength.delete(length);
    this.#lengths = this.#lengths.filter((each) => each !== length);
  }

  /** @throws DatapathError `invalid-address` */
  find(address: string): V | undefined {
    const bytes = encodeAddress(address);
    const family = isIP(address);
    for (const length of this.#lengths) {
      const found = this.#byLength.get(length)?.get(keyOf(family, masked(bytes, length - FAMILY_BITS)));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Before an address, in the length of a prefix. */
const FAMILY_BITS = 32;

function keyOf(family: number, address: Uint8Array): string {
  return family + Buffer.from(address.buffer, address.byteOffset, address.byteLength).toString('latin1');
}

function masked(address: Uint8Array, bits: number): Uint8Array {
  return address.map((byte, index) => byte & ~(0xff >> Math.min(8, Math.max(0, bits - index * 8))));
}
