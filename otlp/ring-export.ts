import { setTimeout as sleep } from 'node:timers/promises';
import { type Flow, type FlowRing, Turns } from '../flows/index.ts';

/** What became of a batch: the collector has it, but for those that it refused; nobody knows; or it is not to be had by it, be it only at once. */
export type Sent =
  | { readonly result: 'taken'; readonly refused: number }
  | { readonly result: 'refused' | 'too-large'; readonly message: string }
  /** `retryAfterMs`: for how long the collector wants to be left alone, where it says so. */
  | { readonly result: 'failed'; readonly message: string; readonly retryAfterMs?: number };

export interface RingExportOptions<T, F> {
  readonly ring: FlowRing<F>;
  /** Which flows are told of. */
  readonly matches: (flow: F) => boolean;
  /** What the collector is to get of a flow. */
  readonly encode: (flow: F) => T;
  readonly send: (batch: readonly T[]) => Promise<Sent>;
  /** Told when it goes wrong, once until it goes right again, and of the first flow that cannot be told of. */
  readonly onFailure: (message: string) => void;
  /** How long flows wait for others, in milliseconds. Default 200. */
  readonly gatherMs?: number;
  /**
   * The first and the longest pause before a batch is sent again, default 500 and 10 000, and the longest that a collector may ask for, default five
   * minutes.
   */
  readonly backOff?: { readonly firstMs: number; readonly maxMs: number; readonly maxAskedMs?: number };
}

/** Counts since the start: of flows that are to be told, `seen` is `sent`, `lost` and `waiting` together. */
export interface ExportState {
  readonly sent: number;
  /** Forgotten before they could be sent, refused, or such as cannot be told of. Those of the first were not looked at, so some might not have been wanted. */
  readonly lost: number;
  /** Remembered and yet to be sent, with such as may not be wanted. */
  readonly waiting: number;
  /** Why the collector has not taken the last; absent where it has. */
  readonly failure?: string;
}

/** Small, so that what encodes them leaves the processor to requests before these have waited for long. */
const BATCH = 128;

/** Beyond that a collector has said something else than it meant. */
const MAX_ASKED_MS = 300_000;

/**
 * Tells a collector of flows as they come. Those that wait for it are those that the ring remembers, and no others, so a collector that is away
 * takes no memory and holds up nobody.
 */
export class RingExport<T, F = Flow> implements AsyncDisposable {
  readonly #options: RingExportOptions<T, F>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #next: number;
  #sent = 0;
  #lost = 0;
  #inHand = 0;
  #failure: string | undefined;
  #hasLostAny = false;

  constructor(options: RingExportOptions<T, F>) {
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

  /** What is not sent by then is left, and whether a batch that is under way arrives is not waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { ring, gatherMs = 200 } = this.#options;
    const { signal } = this.#stop;
    // Of a small ring it does not wait until something is forgotten.
    const full = Math.max(1, Math.min(BATCH, Math.floor(ring.capacity / 2)));
    while (!signal.aborted) {
      await ring.untilAdded(this.#next, signal);
      await ring.untilAdded(this.#next + full - 1, AbortSignal.any([signal, AbortSignal.timeout(gatherMs)]));
      const batch = await this.#take();
      if (batch.length > 0) await this.#deliver(batch);
    }
  }

  /** What is wanted of what is there now: of much that is not, others have their turn before all of it is looked at. */
  async #take(): Promise<readonly T[]> {
    const { ring, matches, encode } = this.#options;
    const { signal } = this.#stop;
    const [batch, turns, end]: [T[], Turns, number] = [[], new Turns(), ring.seen];
    if (ring.oldest > this.#next) {
      this.#lost += ring.oldest - this.#next;
      this.#next = ring.oldest;
    }
    while (this.#next < end && batch.length < BATCH && !signal.aborted) {
      const flow = ring.at(this.#next);
      // Forgotten in the turns of others.
      if (!flow) break;
      this.#next++;
      try {
        if (matches(flow)) batch.push(encode(flow));
      } catch (error) {
        this.#loseOne(error);
      }
      this.#inHand = batch.length;
      if (turns.isOver) await turns.end();
    }
    return batch;
  }

  async #deliver(batch: readonly T[]): Promise<void> {
    const { backOff: { firstMs, maxMs, maxAskedMs = MAX_ASKED_MS } = { firstMs: 500, maxMs: 10_000 } } = this.#options;
    const { signal } = this.#stop;
    for (let delay = firstMs; !signal.aborted; delay = Math.min(delay * 2, maxMs)) {
      const sent = await unlessStopped(this.#send(batch), signal);
      if (!sent) return;
      if (sent.result === 'too-large' && batch.length > 1) {
        const half = Math.ceil(batch.length / 2);
        for (const part of [batch.slice(0, half), batch.slice(half)]) await this.#deliver(part);
        return;
      }
      if (sent.result !== 'failed') {
        this.#settle(batch.length, sent);
        return;
      }
      this.#note(sent.message);
      const asked = Math.max(0, Math.min(sent.retryAfterMs ?? 0, maxAskedMs));
      await pause(asked + delay / 2 + (Math.random() * delay) / 2, signal);
    }
  }

  /** What throws will do so again. */
  async #send(batch: readonly T[]): Promise<Sent> {
    try {
      return await this.#options.send(batch);
    } catch (error) {
      return { result: 'refused', message: messageOf(error) };
    }
  }

  #settle(count: number, sent: Sent): void {
    const refused = sent.result === 'taken' ? sent.refused : count;
    this.#sent += count - refused;
    this.#lost += refused;
    this.#inHand -= count;
    this.#note(sent.result === 'taken' ? undefined : sent.message);
  }

  #loseOne(error: unknown): void {
    this.#lost++;
    if (!this.#hasLostAny) this.#options.onFailure(`there is what cannot be told of: ${messageOf(error)}`);
    this.#hasLostAny = true;
  }

  #note(failure: string | undefined): void {
    if (failure !== undefined && this.#failure === undefined) this.#options.onFailure(failure);
    this.#failure = failure;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function unlessStopped<T>(result: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise: stopped, resolve } = Promise.withResolvers<undefined>();
  const stop = () => resolve(undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([result, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => {});
}
