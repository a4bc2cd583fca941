import type { BpfMap } from 'libbpf-ts';
import type { AddressEntry, Identity } from '../../model/index.ts';
import { now } from './clock.ts';
import type { Configuration } from './configuration.ts';
import { fullWhere } from './full.ts';
import { decodePrefix, encodePrefix, type PrefixKey } from './prefix.ts';
import { differenceOf, type Repair, type TableDifference } from './repair.ts';
import { Turns } from './turns.ts';

export interface AddressChanges {
  /** New ones, or with another identity. */
  readonly set?: Iterable<AddressEntry>;
  /** Prefixes that are gone. */
  readonly removed?: Iterable<string>;
}

/** Who is behind which address, in the kernel. An address of no prefix is of the identity `unknown`. */
export class AddressTable {
  readonly #map: BpfMap<PrefixKey, Identity>;
  readonly #configuration: Configuration;
  readonly #turns = new Turns();
  /** By prefix in canonical form; first of all, what is there. */
  #wanted: Map<string, Identity>;
  /** Whether the kernel has just that, as far as is known: not after a write that failed. */
  #isWritten = true;

  /** @internal */
  constructor(map: BpfMap<PrefixKey, Identity>, configuration: Configuration) {
    this.#map = map;
    this.#configuration = configuration;
    this.#wanted = this.#read();
  }

  get size(): number {
    return this.#wanted.size;
  }

  /** What was written last, and before that what was found. */
  *entries(): Generator<AddressEntry> {
    for (const [prefix, identity] of this.#wanted) yield { prefix, identity };
  }

  /**
   * Writes changes. Connections whose peer got another identity by that are judged again with their next packet.
   * @throws DatapathError `maps-full`, after which some were written, or `invalid-address`, after which none were
   */
  apply({ set = [], removed = [] }: AddressChanges): Promise<void> {
    return this.#turns.take(async () => {
      const write = new Map(Array.from(set, ({ prefix, identity }) => [canonical(prefix), identity]));
      const remove = Array.from(removed, canonical).filter((prefix) => this.#wanted.has(prefix) && !write.has(prefix));
      for (const [prefix, identity] of write) if (this.#wanted.get(prefix) === identity) write.delete(prefix);
      for (const prefix of remove) this.#wanted.delete(prefix);
      for (const [prefix, identity] of write) this.#wanted.set(prefix, identity);
      await this.#write(this.#isWritten ? { write, remove } : this.#difference());
    });
  }

  /** Makes the table hold these and no others: the same as `apply` with the difference. @throws DatapathError as `apply` */
  replace(all: Iterable<AddressEntry>): Promise<void> {
    return this.#turns.take(async () => {
      this.#wanted = new Map(Array.from(all, ({ prefix, identity }) => [canonical(prefix), identity]));
      await this.#write(this.#difference());
    });
  }

  /** Compares the kernel's table with what was written, and makes them the same again. */
  repair(): Promise<Repair> {
    return this.#turns.take(async () => {
      const difference = this.#difference();
      await this.#write(difference);
      return { foreign: difference.remove, missing: [...difference.write.keys()] };
    });
  }

  async #write({ write, remove }: TableDifference<Identity>): Promise<void> {
    this.#isWritten = false;
    if (write.size > 0 || remove.length > 0) {
      const entries = [...write].map(([prefix, identity]) => [encodePrefix(prefix), identity] as const);
      await fullWhere('addresses', () => this.#map.setAll(entries));
      for (const prefix of remove) this.#map.delete(encodePrefix(prefix));
      this.#configuration.set({ addresses_changed: now() });
    }
    this.#isWritten = true;
  }

  #difference(): TableDifference<Identity> {
    return differenceOf(this.#read(), this.#wanted);
  }

  #read(): Map<string, Identity> {
    return readAddresses(this.#map);
  }
}

/** By prefix in canonical form. */
export function readAddresses(map: BpfMap<PrefixKey, Identity>): Map<string, Identity> {
  return new Map(map.entries().map(([key, identity]) => [decodePrefix(key), identity]));
}

function canonical(prefix: string): string {
  return decodePrefix(encodePrefix(prefix));
}
