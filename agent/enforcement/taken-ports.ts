import { isDeepStrictEqual } from 'node:util';
import type { Datapath, Redirect, TakenFrontend, TakenService } from '../../bpf/datapath/index.ts';

export interface TakenPortsOptions {
  readonly table: Pick<Datapath['taken'], 'entries' | 'set'>;
  /** Where a port of a Service is reached, by `namespace/name:port/TCP`. */
  readonly frontendsOf: (port: string) => readonly TakenFrontend[];
}

/** Where what is for a port of a Service goes. */
interface Way {
  /** Undefined for one that a process before this one has led there. */
  readonly slot: string | undefined;
  readonly port: number;
  readonly ready: boolean;
}

/**
 * Which ports of Services are led to listeners: those whose listener is there, and those that were led to one once, as long as they are to be. So nothing
 * gets by a listener that is gone for a while.
 */
export class TakenPorts {
  readonly #options: TakenPortsOptions;
  /** By the Service's `namespace/name`, slots by the numbers of its ports. */
  readonly #takers = new Map<string, ReadonlyMap<number, string>>();
  readonly #redirects = new Map<string, Redirect>();
  /** Slots that this node does not have. */
  #elsewhere: ReadonlySet<string> = new Set();
  #ways: ReadonlyMap<string, Way> = new Map();
  /** What a process before this one left, by address and port, until everything was told. */
  #found: ReadonlyMap<string, TakenService>;
  /** Undefined after a failure. */
  #written: readonly TakenService[] | undefined;

  constructor(options: TakenPortsOptions) {
    this.#options = options;
    const all: readonly TakenService[] = Array.from(options.table.entries(), ({ address, port, fromOutside, listener, ready }) => ({
      frontends: [{ address, port, fromOutside }],
      port: listener,
      ready,
    }));
    this.#written = all;
    this.#found = new Map(all.flatMap((taken) => taken.frontends.map((frontend) => [keyOf(frontend), taken] as const)));
  }

  /** @param takers slots by the numbers of ports; none where the Service is gone */
  setTakers(service: string, takers: ReadonlyMap<number, string>): void {
    if (takers.size === 0) this.#takers.delete(service);
    else this.#takers.set(service, takers);
  }

  /** @param slots those that this node does not have: what they would take is let go */
  setElsewhere(slots: readonly string[]): void {
    this.#elsewhere = new Set(slots);
  }

  setRedirects(redirects: readonly Redirect[]): void {
    for (const redirect of redirects) this.#redirects.set(redirect.slot, redirect);
  }

  removeRedirects(slots: readonly string[]): void {
    for (const slot of slots) this.#redirects.delete(slot);
  }

  /** Ports whose listener is there, by their names, with its slot. */
  *led(): Generator<{ readonly port: string; readonly slot: string }> {
    for (const [port, { slot, ready }] of this.#ways) if (slot !== undefined && ready) yield { port, slot };
  }

  /** Has the kernel do what was told, as far as it does not. @throws DatapathError */
  async settle(): Promise<void> {
    const ports = [...this.#takers].flatMap(([service, takers]) =>
      Array.from(takers, ([port, slot]) => ({ name: `${service}:${port}/TCP`, slot })),
    );
    const ways = new Map<string, Way>();
    const taken: TakenService[] = [];
    for (const { name, slot } of ports) {
      if (this.#elsewhere.has(slot)) continue;
      const frontends = this.#options.frontendsOf(name);
      const way = this.#wayOf(name, slot, frontends);
      if (!way) continue;
      ways.set(name, way);
      if (frontends.length > 0) taken.push({ frontends, port: way.port, ready: way.ready });
    }
    this.#ways = ways;
    const isTold = new Set(taken.flatMap(({ frontends }) => frontends.map(keyOf)));
    const left = [...this.#found].filter(([key]) => !isTold.has(key)).map(([, each]) => each);
    await this.#write([...taken, ...left]);
  }

  /** The same when everything has been told: what else was left in the kernel goes. @throws DatapathError */
  async retainTold(): Promise<void> {
    this.#found = new Map();
    await this.settle();
  }

  #wayOf(name: string, slot: string, frontends: readonly TakenFrontend[]): Way | undefined {
    const redirect = this.#redirects.get(slot);
    if (redirect?.ready) return { slot, port: redirect.port, ready: true };
    const before = this.#ways.get(name) ?? this.#wayLeft(frontends);
    if (!before || !redirect) return before;
    // As long as the one that is to follow is not there.
    if (before.slot !== undefined && before.slot !== slot && this.#redirects.get(before.slot)?.ready) return before;
    // An Envoy that went on while nobody told of it listens where it did.
    return { slot, port: redirect.port, ready: before.ready && before.port === redirect.port };
  }

  #wayLeft(frontends: readonly TakenFrontend[]): Way | undefined {
    const found = frontends.map((frontend) => this.#found.get(keyOf(frontend))).find((each) => each !== undefined);
    return found && { slot: undefined, port: found.port, ready: found.ready };
  }

  async #write(taken: readonly TakenService[]): Promise<void> {
    if (isDeepStrictEqual(taken, this.#written)) return;
    this.#written = undefined;
    await this.#options.table.set(taken);
    this.#written = taken;
  }
}

function keyOf({ address, port }: TakenFrontend): string {
  return `${address} ${port}`;
}
