import type { BpfMap, Codec } from 'libbpf-ts';
import { IP_PROTOCOLS } from '../../model/index.ts';
import { now } from './clock.ts';
import type { Configuration } from './configuration.ts';
import { DatapathError } from './error.ts';
import { fullWhere } from './full.ts';
import type { service_address, taken_service } from './gen/policy.ts';
import { decodeAddress, encodeAddress } from './prefix.ts';
import { differenceOf, type Repair, type TableDifference } from './repair.ts';
import { Turns } from './turns.ts';

type Key = typeof service_address extends Codec<infer T> ? T : never;
type Value = typeof taken_service extends Codec<infer T> ? T : never;
type Entry = readonly [Key, Value];

/** Where a Service is reached by TCP. */
export interface TakenFrontend {
  readonly address: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Whether that is so for who asks from outside of the node, too. Default: false; that is left to others. */
  readonly fromOutside?: boolean;
}

/** Addresses of Services that a listener of the node's Envoy takes. */
export interface TakenService {
  readonly frontends: readonly TakenFrontend[];
  /** Of the listener, 1 to 65535. */
  readonly port: number;
  /** Whether Envoy has it: if not, what is for it is dropped. */
  readonly ready: boolean;
}

/** The same of one address. */
export interface TakenAddress extends Required<TakenFrontend> {
  /** Its port. */
  readonly listener: number;
  readonly ready: boolean;
}

const { TCP } = IP_PROTOCOLS;
const LAST_PORT = 65_535;

/**
 * Services whose traffic from pods goes to a listener rather than to a backend: see docs/decisions/envoy-config.md. Nothing goes there before what Envoy opens
 * is judged at its sockets (`IngressSockets.attach`); it is dropped.
 */
export class TakenServices {
  readonly #map: BpfMap<Key, Value>;
  readonly #configuration: Configuration;
  readonly #turns = new Turns();
  /** By the address and port; first of all, what is there. */
  #wanted: ReadonlyMap<string, Entry>;

  /** @internal */
  constructor(map: BpfMap<Key, Value>, configuration: Configuration) {
    this.#map = map;
    this.#configuration = configuration;
    this.#wanted = readEntries(map);
    this.#say(this.#wanted.size > 0);
  }

  /** What was written last, and before that what was found. */
  *entries(): Generator<TakenAddress> {
    for (const entry of this.#wanted.values()) yield decodeTaken(entry);
  }

  /**
   * Has these taken and no others. Connections that are open stay with the listener that has them, also where their Service is not taken any more.
   * @throws DatapathError `invalid-address`, or `invalid-redirect` where two listeners take the same, or a port is none, after which nothing was changed;
   * `maps-full` or `refused`, after which some were written
   */
  set(services: Iterable<TakenService>): Promise<void> {
    const all = [...services];
    return this.#turns.take(async () => {
      this.#wanted = entriesOf(all);
      await this.#write(this.#difference());
    });
  }

  /** Compares the kernel's table with what was written, and makes them the same again. Keys are addresses with their ports. */
  repair(): Promise<Repair> {
    return this.#turns.take(async () => {
      const difference = this.#difference();
      await this.#write(difference);
      return { foreign: difference.remove.map(({ name }) => name), missing: [...difference.write.keys()] };
    });
  }

  #difference(): Difference {
    const present = readEntries(this.#map);
    const { write, remove } = differenceOf(present, this.#wanted, areSame);
    const isGone = new Set(remove);
    return { write, remove: [...present].filter(([name]) => isGone.has(name)).map(([name, [key]]) => ({ name, key })) };
  }

  /** Removes first: there may be no room for more before. */
  async #write({ write, remove }: Difference): Promise<void> {
    const isAny = this.#wanted.size > 0;
    if (isAny) this.#say(true);
    // What is open outlives what is taken.
    if ([...this.#wanted.values()].some(isFromOutside)) this.#configuration.set({ takes_from_outside: 1 });
    if (write.size === 0 && remove.length === 0) return;
    try {
      await fullWhere('taken_services', () => {
        for (const { key } of remove) this.#map.delete(key);
        for (const [key, value] of write.values()) this.#map.set(key, value);
      });
    } finally {
      // Some may have been written.
      this.#configuration.set({ changed: now() });
    }
    if (!isAny) this.#say(false);
  }

  /** Nobody looks before. */
  #say(isAny: boolean): void {
    this.#configuration.set({ takes_services: Number(isAny) });
  }
}

interface Difference extends Omit<TableDifference<Entry>, 'remove'> {
  readonly remove: readonly { readonly name: string; readonly key: Key }[];
}

/** As the kernel has them, in no order. */
export function readTaken(map: BpfMap<Key, Value>): readonly TakenAddress[] {
  return Array.from(readEntries(map).values(), decodeTaken);
}

function readEntries(map: BpfMap<Key, Value>): Map<string, Entry> {
  return new Map(Array.from(map.entries(), (entry) => [nameOf(entry[0]), entry]));
}

function entriesOf(services: readonly TakenService[]): ReadonlyMap<string, Entry> {
  const found = new Map<string, Entry>();
  for (const { frontends, port: listener, ready } of services) {
    for (const { address, port, fromOutside = false } of frontends) {
      refuseInvalid(port);
      refuseInvalid(listener);
      const key = { address: encodeAddress(address), port, protocol: TCP, pad: 0 };
      const name = nameOf(key);
      const entry: Entry = [key, { address: key, port: listener, is_ready: Number(ready), is_from_outside: Number(fromOutside) }];
      const other = found.get(name);
      if (other && !areSame(other, entry))
        throw new DatapathError('invalid-redirect', `${name} cannot be of the listener at ${other[1].port} and of that at ${listener}`);
      found.set(name, entry);
    }
  }
  return found;
}

function refuseInvalid(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > LAST_PORT) throw new DatapathError('invalid-redirect', `${port} is no port`);
}

/** What nobody here has written has more in its name than an address and a port. */
function nameOf({ address, port, protocol, pad }: Key): string {
  const text = decodeAddress(address);
  const place = text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`;
  return protocol === TCP && pad === 0 ? place : `${place}/${protocol}/${pad}`;
}

function decodeTaken([{ address, port }, value]: Entry): TakenAddress {
  return {
    address: decodeAddress(address),
    port,
    listener: value.port,
    ready: value.is_ready === 1,
    fromOutside: value.is_from_outside === 1,
  };
}

function isFromOutside([, value]: Entry): boolean {
  return value.is_from_outside === 1;
}

function areSame([, a]: Entry, [, b]: Entry): boolean {
  return (
    nameOf(a.address) === nameOf(b.address) && a.port === b.port && a.is_ready === b.is_ready && a.is_from_outside === b.is_from_outside
  );
}
