import { setTimeout as sleep } from 'node:timers/promises';
import type { Flow, FlowRing } from '../../../flows/index.ts';

/** What became of a batch: the collector has it, but for those that it refused; nobody knows; or it is not to be had by it. */
export type Sent =
  | { readonly result: 'taken'; readonly refused: number }
  | { readonly result: 'failed'; readonly message: string }
  | { readonly result: 'refused'; readonly message: string };

export interface FlowExportOptions<T, F> {
  readonly ring: FlowRing<F>;
  /** Which flows are told of. */
  readonly matches: (flow: F) => boolean;
  /** What the collector is to get of a flow. */
  readonly encode: (flow: F) => T;
  readonly send: (batch: readonly T[]) => Promise<Sent>;
  /** Told when it goes wrong, once until it goes right again. */
  readonly onFailure: (message: string) => void;
  /** How long flows wait for others, in milliseconds. Default 200. */
  readonly gatherMs?: number;
  /** The first and the longest pause before a batch is sent again. Default 500 and 10 000. */
  readonly backOff?: { readonly firstMs: number; readonly maxMs: number };
}

/** Counts since the start: of flows that are to be told, `seen` is `sent`, `lost` and `waiting` together. */
export interface ExportState {
  readonly sent: number;
  /** Forgotten before they could be sent, or refused. Those of the first were not looked at, so some might not have been wanted. */
  readonly lost: number;
  /** Remembered and yet to be sent, with such as may not be wanted. */
  readonly waiting: number;
  /** Why the collector has not taken the last; absent where it has. */
  readonly failure?: string;
}

const BATCH = 512;

/**
 * Tells a collector of flows as they come. Those that wait for it are those that the ring remembers, and no others, so a collector that is away
 * takes no memory and holds up nobody.
 */
export class FlowExport<T, F = Flow> implements AsyncDisposable {
  readonly #options: FlowExportOptions<T, F>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #next: number;
  #sent = 0;
  #lost = 0;
  #inHand = 0;
  #failure: string | undefined;

  constructor(options: FlowExportOptions<T, F>) {
    this.#options = options;
    this.#next = options.ring.seen;
    this.#running = this.#run();
  }

  state(): ExportState {
    const { seen, oldest } = this.#options.ring;
    const forgotten = Math.max(0, oldest - this.#next);
    return {
      sent: this.#sent,
      lost: this.#lost + forgotten,
      waiting: seen - this.#next - forgotten + this.#inHand,
      ...(this.#failure !== undefined && { failure: this.#failure }),
    };
  }

  /** What is not sent by then is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { ring, gatherMs = 200 } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await ring.untilAdded(this.#next, signal);
      if (ring.seen - this.#next < BATCH) await pause(gatherMs, signal);
      const batch = this.#take();
      if (batch.length > 0) await this.#deliver(batch);
    }
  }

  #take(): readonly T[] {
    const { ring, matches, encode } = this.#options;
    const batch: T[] = [];
    if (ring.oldest > this.#next) {
      this.#lost += ring.oldest - this.#next;
      this.#next = ring.oldest;
    }
    for (let flow = ring.at(this.#next); flow && batch.length < BATCH; flow = ring.at(this.#next)) {
      this.#next++;
      if (matches(flow)) batch.push(encode(flow));
    }
    this.#inHand = batch.length;
    return batch;
  }

  async #deliver(batch: readonly T[]): Promise<void> {
    const { send, backOff: { firstMs, maxMs } = { firstMs: 500, maxMs: 10_000 } } = this.#options;
    const { signal } = this.#stop;
    for (let delay = firstMs; !signal.aborted; delay = Math.min(delay * 2, maxMs)) {
      const sent = await send(batch);
      if (sent.result !== 'failed') {
        const refused = sent.result === 'refused' ? batch.length : sent.refused;
        this.#sent += batch.length - refused;
        this.#lost += refused;
        this.#inHand = 0;
        this.#note(sent.result === 'refused' ? sent.message : undefined);
        return;
      }
      this.#note(sent.message);
      await pause(delay / 2 + (Math.random() * delay) / 2, signal);
    }
  }

  #note(failure: string | undefined): void {
    if (failure !== undefined && this.#failure === undefined) this.#options.onFailure(failure);
    this.#failure = failure;
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => {});
}
