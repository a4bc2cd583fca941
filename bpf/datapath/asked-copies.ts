import type { BpfMap, Codec } from 'libbpf-ts';
import { fullWhere } from './full.ts';
import type { asked_copy } from './gen/policy.ts';
import { differenceOf, type Repair } from './repair.ts';
import { Turns } from './turns.ts';

type Value = typeof asked_copy extends Codec<infer T> ? T : never;

/** Copies of listeners, and the slots whose rules they ask, by their ports (1 to 65535). */
export type AskedSlots = ReadonlyMap<number, number>;

/** Which copy of a listener asks the rules of which slot before it routes: what Envoy opens from there need not go by way of that. */
export class AskedCopies {
  readonly #map: BpfMap<number, Value>;
  readonly #turns = new Turns();
  /** First of all, what is there. */
  #wanted: AskedSlots;

  /** @internal */
  constructor(map: BpfMap<number, Value>) {
    this.#map = map;
    this.#wanted = readAsked(map);
  }

  /** The port of the slot that the copy at a port asks the rules of; 0: it is none. */
  slotOf(copy: number): number {
    return this.#wanted.get(copy) ?? 0;
  }

  /** Has these and no others. @throws DatapathError `maps-full` or `refused`, after which some were written */
  set(asked: AskedSlots): Promise<void> {
    const wanted = new Map(asked);
    return this.#turns.take(async () => {
      const { write, remove } = differenceOf(byText(this.#wanted), byText(wanted));
      this.#wanted = wanted;
      if (write.size + remove.length > 0) await this.#write();
    });
  }

  /** Compares the kernel's table with what was written, and makes them the same again. Keys are ports of copies. */
  repair(): Promise<Repair> {
    return this.#turns.take(() => this.#write());
  }

  async #write(): Promise<Repair> {
    const { write, remove } = differenceOf(byText(readAsked(this.#map)), byText(this.#wanted));
    await fullWhere('asked_copies', () => {
      for (const copy of remove) this.#map.delete(Number(copy));
      for (const [copy, slot] of write) this.#map.set(Number(copy), { copy: Number(copy), slot });
    });
    return { foreign: remove, missing: [...write.keys()] };
  }
}

/** What is of another copy than its key says counts as nothing. */
function readAsked(map: BpfMap<number, Value>): AskedSlots {
  return new Map(Array.from(map.entries(), ([port, { copy, slot }]) => [port, copy === port ? slot : 0]));
}

function byText(asked: AskedSlots): ReadonlyMap<string, number> {
  return new Map([...asked].map(([copy, slot]) => [String(copy), slot]));
}
