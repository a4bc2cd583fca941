import type { AskedSlots, Redirect } from '../../bpf/datapath/index.ts';
import { copyName, isOfService } from '../slots/listener-copies.ts';

interface Asked {
  readonly listener: string;
  readonly slot: string;
}

/**
 * Which copies of listeners ask the rules of which slots, by their ports. Names of copies are hashes of both, so each pair is hashed once: when the listener
 * or the slot comes.
 */
export class AskedByCopies {
  readonly #nameOf: (listener: string, slot: string) => string;
  /** Ports by slot; of listeners' copies, too. */
  readonly #ports = new Map<string, number>();
  readonly #asking = new Set<string>();
  /** By what the copy is called, if there is one. */
  readonly #pairs = new Map<string, Asked>();
  #listeners: ReadonlySet<string> = new Set();
  #isStale = false;
  #asked: AskedSlots = new Map();

  constructor(nameOf = (listener: string, slot: string) => copyName(listener, slot, true)) {
    this.#nameOf = nameOf;
  }

  set({ slot, port }: Redirect): void {
    if (this.#ports.get(slot) === port) return;
    this.#ports.set(slot, port);
    this.#isStale = true;
    if (isOfService(slot) || this.#asking.has(slot)) return;
    this.#asking.add(slot);
    for (const listener of this.#listeners) this.#pairs.set(this.#nameOf(listener, slot), { listener, slot });
  }

  delete(slot: string): void {
    if (!this.#ports.delete(slot)) return;
    this.#isStale = true;
    if (this.#asking.delete(slot)) this.#forget((pair) => pair.slot === slot);
  }

  /** @returns the same as before while nothing of it is otherwise; also copies that nobody meets at present: some may be with them */
  of(listeners: ReadonlySet<string>): AskedSlots {
    this.#setListeners(listeners);
    if (!this.#isStale) return this.#asked;
    this.#isStale = false;
    this.#asked = new Map(this.#find());
    return this.#asked;
  }

  *#find(): Generator<readonly [copy: number, slot: number]> {
    for (const [name, port] of this.#ports) {
      const asked = isOfService(name) ? this.#ports.get(this.#pairs.get(name)?.slot ?? '') : undefined;
      if (asked !== undefined) yield [port, asked];
    }
  }

  #setListeners(listeners: ReadonlySet<string>): void {
    const gone = new Set([...this.#listeners].filter((listener) => !listeners.has(listener)));
    const come = [...listeners].filter((listener) => !this.#listeners.has(listener));
    if (gone.size + come.length === 0) return;
    this.#isStale = true;
    this.#listeners = listeners;
    if (gone.size > 0) this.#forget(({ listener }) => gone.has(listener));
    for (const listener of come) for (const slot of this.#asking) this.#pairs.set(this.#nameOf(listener, slot), { listener, slot });
  }

  #forget(isGone: (pair: Asked) => boolean): void {
    for (const [name, pair] of this.#pairs) if (isGone(pair)) this.#pairs.delete(name);
  }
}
