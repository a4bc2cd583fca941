import type { BpfMap, Codec } from 'libbpf-ts';
import { now } from './clock.ts';
import type { Configuration } from './configuration.ts';
import { DatapathError } from './error.ts';
import { fullWhere } from './full.ts';
import type { redirect } from './gen/policy.ts';
import { differenceOf, type Repair } from './repair.ts';
import { Turns } from './turns.ts';

export type RedirectValue = typeof redirect extends Codec<infer T> ? T : never;

/** Where connections of a slot go. */
export interface Redirect {
  readonly slot: string;
  /** Of the listener, of this slot alone. 1 to 65535. */
  readonly port: number;
  /** Whether the listener is there: if not, what is for it is dropped. */
  readonly ready: boolean;
}

/** Has verdicts of slots written anew whose ports are others now. */
export type OnPorts = (slots: ReadonlySet<string>) => Promise<void>;

/** With the zero at its end, as in `bpf/programs/proxy.h`. */
const NAME_BYTES = 64;
const LAST_PORT = 65_535;

/** Listeners of slots. The kernel has their names as well, so that whoever opens it next knows who has which port. */
export class RedirectTable {
  readonly #map: BpfMap<number, RedirectValue>;
  readonly #configuration: Configuration;
  readonly #onPorts: OnPorts;
  readonly #turns = new Turns();
  readonly #wanted: Map<string, Redirect>;

  /** @internal */
  constructor(map: BpfMap<number, RedirectValue>, configuration: Configuration, onPorts: OnPorts) {
    this.#map = map;
    this.#configuration = configuration;
    this.#onPorts = onPorts;
    this.#wanted = new Map(Array.from(readRedirects(map).values(), (each) => [each.slot, each]));
  }

  /** What was written last, and before that what was found. */
  entries(): IterableIterator<Redirect> {
    return this.#wanted.values();
  }

  get(slot: string): Redirect | undefined {
    return this.#wanted.get(slot);
  }

  /**
   * Adds redirects, or changes those of their slots. Verdicts that name one lead to it when this is done; until then, what its slot decides of is
   * dropped or goes to where it went before.
   * @throws DatapathError `invalid-redirect` where a port is another slot's until then, or a name is too long, after which nothing was changed, `maps-full` or `refused`
   */
  set(redirects: Iterable<Redirect>): Promise<void> {
    const all = [...redirects];
    return this.#turns.take(async () => {
      const changed = all.filter(({ slot, port, ready }) => {
        const before = this.#wanted.get(slot);
        return before?.port !== port || before.ready !== ready;
      });
      if (changed.length === 0) return;
      this.#refuseInvalid(changed);
      const before = new Map(changed.map(({ slot }) => [slot, this.#wanted.get(slot)?.port]));
      for (const each of changed) this.#wanted.set(each.slot, each);
      await this.#write(changed);
      const moved = changed.filter(({ slot, port }) => before.get(slot) !== port);
      if (moved.length > 0) await this.#onPorts(new Set(moved.map(({ slot }) => slot)));
      this.#delete(moved.flatMap(({ slot }) => before.get(slot) ?? []));
    });
  }

  /** What these slots decide of is dropped from then on; to be done when no verdict names them any more. Of others it does nothing. */
  remove(slots: Iterable<string>): Promise<void> {
    const all = [...slots];
    return this.#turns.take(() => this.#remove(all));
  }

  /** Removes those that are not wanted any more. */
  retain(isWanted: (slot: string) => boolean): Promise<void> {
    return this.#turns.take(() => this.#remove([...this.#wanted.keys()].filter((slot) => !isWanted(slot))));
  }

  /** Compares the kernel's table with what was written, and makes them the same again. Keys are ports. */
  repair(): Promise<Repair> {
    return this.#turns.take(async () => {
      const wanted = new Map(Array.from(this.#wanted.values(), (each) => [String(each.port), each]));
      const { write, remove } = differenceOf(readRedirects(this.#map), wanted, areSame);
      if (write.size > 0) await this.#write([...write.values()]);
      this.#delete(remove.map(Number));
      return { foreign: remove, missing: [...write.keys()] };
    });
  }

  async #remove(slots: readonly string[]): Promise<void> {
    const ports = slots.flatMap((slot) => this.#wanted.get(slot)?.port ?? []);
    if (ports.length === 0) return;
    for (const slot of slots) this.#wanted.delete(slot);
    await this.#onPorts(new Set(slots));
    this.#delete(ports);
  }

  async #write(redirects: readonly Redirect[]): Promise<void> {
    await fullWhere('redirects', () => {
      for (const each of redirects) this.#map.set(each.port, encodeRedirect(each));
    });
    this.#judgeAgain();
  }

  /** A port that was freed may be another slot's by now. */
  #delete(ports: readonly number[]): void {
    const taken = new Set(Array.from(this.#wanted.values(), ({ port }) => port));
    const free = ports.filter((port) => !taken.has(port));
    if (free.length === 0) return;
    for (const port of free) this.#map.delete(port);
    this.#judgeAgain();
  }

  #judgeAgain(): void {
    this.#configuration.set({ changed: now() });
  }

  /** A port that changes hands at once would have the one slot's verdicts lead to the other's listener for a moment. */
  #refuseInvalid(redirects: readonly Redirect[]): void {
    const holders = new Map(Array.from(this.#wanted.values(), ({ slot, port }) => [port, slot]));
    for (const { slot, port } of redirects) {
      const holder = holders.get(port);
      if (holder !== undefined && holder !== slot)
        throw new DatapathError('invalid-redirect', `port ${port} cannot be of slot ${slot}: it is of ${holder}`);
      if (!Number.isInteger(port) || port < 1 || port > LAST_PORT) throw new DatapathError('invalid-redirect', `${port} is no port`);
      if (slot === '' || Buffer.byteLength(slot) >= NAME_BYTES)
        throw new DatapathError('invalid-redirect', `the name of a slot is 1 to ${NAME_BYTES - 1} bytes long, not ${slot}`);
      holders.set(port, slot);
    }
  }
}

/** By their ports. */
export function readRedirects(map: BpfMap<number, RedirectValue>): Map<string, Redirect> {
  return new Map(Array.from(map.entries(), ([port, value]) => [String(port), decodeRedirect(port, value)]));
}

function encodeRedirect({ slot, ready }: Redirect): RedirectValue {
  const name = new Uint8Array(NAME_BYTES);
  name.set(Buffer.from(slot));
  return { name, is_ready: Number(ready), pad: new Uint8Array(3) };
}

function decodeRedirect(port: number, { name, is_ready }: RedirectValue): Redirect {
  const text = Buffer.from(name).toString();
  const end = text.indexOf('\0');
  return { slot: end < 0 ? text : text.slice(0, end), port, ready: is_ready === 1 };
}

function areSame(a: Redirect, b: Redirect): boolean {
  return a.slot === b.slot && a.port === b.port && a.ready === b.ready;
}
