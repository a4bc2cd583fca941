import type { BpfMap, Codec } from 'libbpf-ts';
import { type Identity, IP_PROTOCOLS } from '../../model/index.ts';
import { fullWhere } from './full.ts';
import type { taken_copy, taken_for } from './gen/policy.ts';
import { decodeAddress, encodeAddress } from './prefix.ts';
import { differenceOf, type Repair, type TableDifference } from './repair.ts';
import type { TakenFrontend } from './taken-services.ts';
import { Turns } from './turns.ts';

type Key = typeof taken_for extends Codec<infer T> ? T : never;
type Value = typeof taken_copy extends Codec<infer T> ? T : never;
type Entry = readonly [Key, Value];

/** A client that meets a copy of the listener that takes a Service. */
export interface MetCopy extends TakenFrontend {
  readonly identity: Identity;
  /** Of the copy, 1 to 65535. Envoy has it. */
  readonly listener: number;
}

/**
 * Who meets which copy of a listener that takes a Service, for new connections: see docs/decisions/envoy-config.md. Whoever is not in it, and whatever is not
 * taken ({@link TakenServices}), meets none.
 */
export class TakenForClients {
  readonly #map: BpfMap<Key, Value>;
  readonly #turns = new Turns();
  /** First of all, what is there. */
  #wanted: ReadonlyMap<string, Entry>;

  /** @internal */
  constructor(map: BpfMap<Key, Value>) {
    this.#map = map;
    this.#wanted = readEntries(map);
  }

  /** What was written last, and before that what was found. */
  *entries(): Generator<MetCopy> {
    for (const [{ address, identity }, { port: listener }] of this.#wanted.values())
      yield { address: decodeAddress(address.address), port: address.port, identity, listener };
  }

  /** Has these and no others. @throws DatapathError `invalid-address`, or `maps-full` or `refused`, after which some were written */
  set(copies: Iterable<MetCopy>): Promise<void> {
    const wanted = new Map(Array.from(copies, (copy) => entryOf(copy)).map((entry) => [nameOf(entry), entry]));
    return this.#turns.take(async () => {
      this.#wanted = wanted;
      await this.#write(this.#difference());
    });
  }

  /** Compares the kernel's table with what was written, and makes them the same again. Keys are addresses with ports and identities. */
  repair(): Promise<Repair> {
    return this.#turns.take(async () => {
      const difference = this.#difference();
      await this.#write(difference);
      return { foreign: difference.remove, missing: [...difference.write.keys()] };
    });
  }

  #difference(): TableDifference<Entry> {
    return differenceOf(readEntries(this.#map), this.#wanted, ([, a], [, b]) => a.port === b.port && isOf(a, b.who));
  }

  /** Removes first: there may be no room for more before. */
  async #write({ write, remove }: TableDifference<Entry>): Promise<void> {
    if (write.size + remove.length === 0) return;
    const present = readEntries(this.#map);
    await fullWhere('taken_for_clients', () => {
      for (const name of remove) {
        const [key] = present.get(name) ?? [];
        if (key) this.#map.delete(key);
      }
      for (const [key, value] of write.values()) this.#map.set(key, value);
    });
  }
}

function readEntries(map: BpfMap<Key, Value>): Map<string, Entry> {
  return new Map(Array.from(map.entries(), (entry) => [nameOf(entry), entry]));
}

function entryOf({ address, port, identity, listener }: MetCopy): Entry {
  const who = { address: { address: encodeAddress(address), port, protocol: IP_PROTOCOLS.TCP, pad: 0 }, identity };
  return [who, { who, port: listener, pad: 0 }];
}

/** Nothing that was written here has another protocol than TCP. */
function nameOf([{ address, identity }]: Entry): string {
  return `${decodeAddress(address.address)} ${address.port} of ${identity}/${address.protocol}/${address.pad}`;
}

function isOf({ who }: Value, wanted: Key): boolean {
  return nameOf([who, { who, port: 0, pad: 0 }]) === nameOf([wanted, { who: wanted, port: 0, pad: 0 }]);
}
