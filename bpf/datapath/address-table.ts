import { isIPv6 } from 'node:net';
import type { BpfMap } from 'libbpf-ts';
import { type AddressEntry, type Identity, RESERVED_IDENTITIES } from '../../model/index.ts';
import { now } from './clock.ts';
import type { Configuration } from './configuration.ts';
import { fullWhere } from './full.ts';
import { Pace } from './pace.ts';
import { decodeAddress, decodePrefix, encodeAddress, encodePrefix, type PrefixKey } from './prefix.ts';
import { differenceOf, type Repair, type TableDifference } from './repair.ts';
import { Turns } from './turns.ts';

/** Entries that are looked at singly in one turn. */
const AT_ONCE = 256;
const UNKNOWN: Identity = RESERVED_IDENTITIES.unknown;

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
  /** How many writes did. */
  #failures = 0;

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

  /** Who has an address, as the kernel says it. @throws DatapathError `invalid-address` */
  identityOf(address: string): Identity {
    const canonical = decodeAddress(encodeAddress(address));
    return this.#map.get(encodePrefix(`${canonical}/${isIPv6(canonical) ? 128 : 32}`)) ?? UNKNOWN;
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

  /**
   * Removes what is not wanted any more, some at a time: changes come in between.
   * @param isWanted of a prefix in canonical form
   */
  async retain(isWanted: (prefix: string) => boolean): Promise<void> {
    const prefixes = this.#wanted.keys();
    const pace = new Pace();
    for (let isOver = false; !isOver; await pace.rest()) {
      await this.#turns.take(async () => {
        const remove: string[] = [];
        for (let next = prefixes.next(); ; next = prefixes.next()) {
          if (next.done) isOver = true;
          else if (!isWanted(next.value)) remove.push(next.value);
          if (isOver || pace.isDue) break;
        }
        for (const prefix of remove) this.#wanted.delete(prefix);
        await this.#put({ write: new Map(), remove });
      });
    }
  }

  /** Compares the kernel's table with what was written, and makes them the same again, some at a time: changes come in between. */
  async repair(): Promise<Repair> {
    const pace = new Pace();
    const before = this.#failures;
    const foreign: string[] = [];
    const missing: string[] = [];
    const seen = new Set<string>();
    const mend = (prefixes: readonly string[]) =>
      this.#turns.take(async () => {
        const difference = this.#differenceAt(prefixes);
        await this.#put(difference);
        foreign.push(...difference.remove);
        missing.push(...difference.write.keys());
      });
    for await (const batch of this.#map.batches()) {
      const differing: string[] = [];
      for (const [key, identity] of batch) {
        const prefix = decodePrefix(key);
        seen.add(prefix);
        if (this.#wanted.get(prefix) !== identity) differing.push(prefix);
        if (pace.isDue) await pace.rest();
      }
      await mend(differing);
    }
    const unseen: string[] = [];
    for (const prefix of this.#wanted.keys()) {
      if (!seen.has(prefix)) unseen.push(prefix);
      if (pace.isDue) await pace.rest();
    }
    for (let index = 0; index < unseen.length; index += AT_ONCE, await pace.rest()) await mend(unseen.slice(index, index + AT_ONCE));
    if (this.#failures === before) this.#isWritten = true;
    return { foreign, missing };
  }

  async #write(difference: TableDifference<Identity>): Promise<void> {
    this.#isWritten = false;
    await this.#put(difference);
    this.#isWritten = true;
  }

  async #put({ write, remove }: TableDifference<Identity>): Promise<void> {
    if (write.size === 0 && remove.length === 0) return;
    try {
      const entries = [...write].map(([prefix, identity]) => [encodePrefix(prefix), identity] as const);
      await fullWhere('addresses', () => this.#map.setAll(entries));
      for (const prefix of remove) this.#map.delete(encodePrefix(prefix));
    } catch (error) {
      this.#failures += 1;
      throw error;
    } finally {
      // Some may have been written.
      this.#configuration.set({ changed: now() });
    }
  }

  /** As it is now. */
  #differenceAt(prefixes: readonly string[]): TableDifference<Identity> {
    const write = new Map<string, Identity>();
    const remove: string[] = [];
    for (const prefix of prefixes) {
      const [wanted, present] = [this.#wanted.get(prefix), this.#map.get(encodePrefix(prefix))];
      if (wanted === present) continue;
      if (wanted === undefined) remove.push(prefix);
      else write.set(prefix, wanted);
    }
    return { write, remove };
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
