import { isDeepStrictEqual } from 'node:util';
import type { AskedSlots, Datapath, MetCopy, Redirect, TakenFrontend } from '../../bpf/datapath/index.ts';
import type { Identity, SubjectPolicy } from '../../model/index.ts';
import { copyName, isOfService } from '../slots/listener-copies.ts';
import { AskedByCopies } from './asked-by-copies.ts';

/** A port of a Service that is led to a listener. */
export interface LedPort {
  /** Of the listener. */
  readonly slot: string;
  readonly frontends: readonly TakenFrontend[];
  /** Who serves it. */
  readonly backends: readonly TakenFrontend[];
}

export interface MetCopiesOptions {
  readonly datapath: {
    readonly takenForClients: Pick<Datapath['takenForClients'], 'entries' | 'set'>;
    readonly askedCopies: Pick<Datapath['askedCopies'], 'set'>;
    readonly verdicts: Pick<Datapath['verdicts'], 'judge'>;
    readonly addresses: Pick<Datapath['addresses'], 'identityOf'>;
  };
  /** Told what has changed of it. */
  readonly onChange?: (met: readonly MetCopy[]) => void;
}

const NOTHING_ASKED: AskedSlots = new Map();

interface Opened {
  readonly peer: Identity;
  readonly port: number;
}

/**
 * Has clients of Services meet the copy of a listener that asks their rules: where one slot decides of all that they may send to backends of the Service.
 * Where backends differ no copy is right for all, and the listener itself is met: what Envoy opens is judged for each.
 */
export class MetCopies {
  readonly #options: MetCopiesOptions;
  readonly #redirects = new Map<string, Redirect>();
  readonly #asked = new AskedByCopies();
  /** As the kernel has it; undefined after a failure, and at first. */
  #writtenAsked: AskedSlots | undefined;
  /** Undefined after a failure. */
  #written: readonly MetCopy[] | undefined;

  constructor(options: MetCopiesOptions) {
    this.#options = options;
    this.#written = [...options.datapath.takenForClients.entries()];
  }

  setRedirects(redirects: readonly Redirect[]): void {
    for (const redirect of redirects) {
      this.#redirects.set(redirect.slot, redirect);
      this.#asked.set(redirect);
    }
  }

  removeRedirects(slots: readonly string[]): void {
    for (const slot of slots) {
      this.#redirects.delete(slot);
      this.#asked.delete(slot);
    }
  }

  /** Has the kernel do what follows from what is in force. @param clients policies of pods of this node @throws DatapathError */
  async settle(led: readonly LedPort[], clients: Iterable<SubjectPolicy>): Promise<void> {
    const { takenForClients } = this.#options.datapath;
    const listeners = new Set(led.map(({ slot }) => slot));
    const mayBeAny = this.#mayBeAny(listeners);
    // Before anybody meets one.
    await this.#setAsked(mayBeAny ? this.#asked.of(listeners) : NOTHING_ASKED);
    const copies = mayBeAny ? [...this.#find(led, clients)] : [];
    if (isDeepStrictEqual(copies, this.#written)) return;
    this.#written = undefined;
    await takenForClients.set(copies);
    this.#written = copies;
    this.#options.onChange?.(copies);
  }

  async #setAsked(asked: AskedSlots): Promise<void> {
    if (asked === this.#writtenAsked) return;
    this.#writtenAsked = undefined;
    await this.#options.datapath.askedCopies.set(asked);
    this.#writtenAsked = asked;
  }

  #mayBeAny(listeners: ReadonlySet<string>): boolean {
    return this.#redirects.keys().some((slot) => isOfService(slot) && !listeners.has(slot));
  }

  *#find(led: readonly LedPort[], clients: Iterable<SubjectPolicy>): Generator<MetCopy> {
    const slots = new Map(this.#redirects.values().map(({ slot, port }) => [port, slot]));
    const served = led.map((port) => ({ ...port, opened: this.#openedTo(port) }));
    const all = new Map(served.flatMap(({ opened }) => opened.map((each) => [keyOf(each), each] as const)));
    for (const { subject, egress } of clients) {
      if (!egress.verdicts.some(({ decision }) => decision.kind === 'slot')) continue;
      const judged = this.#options.datapath.verdicts.judge(subject, 'egress', [...all.values()]);
      const slotOf = new Map([...all.keys()].map((key, index) => [key, judged[index] ?? 0]));
      for (const { slot, frontends, opened } of served) {
        const [decides = 0, ...others] = new Set(opened.map((each) => slotOf.get(keyOf(each)) ?? 0));
        const asking = others.length === 0 ? slots.get(decides) : undefined;
        const copy = asking === undefined ? undefined : this.#copyThere(slot, asking);
        if (copy) for (const frontend of frontends) yield { ...frontend, identity: subject, listener: copy.port };
      }
    }
  }

  #copyThere(listener: string, slot: string): Redirect | undefined {
    const copies = [true, false].map((asksOnce) => this.#redirects.get(copyName(listener, slot, asksOnce)));
    return copies.find((copy) => copy?.ready);
  }

  #openedTo({ backends }: LedPort): readonly Opened[] {
    const { addresses } = this.#options.datapath;
    const opened = backends.map(({ address, port }): Opened => ({ peer: addresses.identityOf(address), port }));
    return [...new Map(opened.map((each) => [keyOf(each), each])).values()];
  }
}

function keyOf({ peer, port }: Opened): string {
  return `${peer} ${port}`;
}
