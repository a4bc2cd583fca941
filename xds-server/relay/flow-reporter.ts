import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { decodeTaken, encodeFlowBatch, FLOWS_PATH, type ToldFlowEvent } from '../serve/index.ts';
import { Upstream, type UpstreamAddress } from './upstream.ts';

export interface FlowReporterOptions {
  /** The agent of this node. */
  readonly upstream: UpstreamAddress;
  /** Events that wait to be told, at most; the oldest is lost for one that comes then. Default 16 384. */
  readonly capacity?: number;
  /** For how long events are gathered before they are told, in milliseconds. Default 20. */
  readonly gatherMs?: number;
  /** Told when the agent says that it wants none, and when it wants them again. */
  readonly onWanted?: (isWanted: boolean) => void;
}

/** Events that were not told, as a batch says it. */
interface Untold {
  /** There was no room for them here. */
  readonly lost: bigint;
  readonly lostInKernel: bigint;
  readonly beyondLimit: bigint;
}

const NONE: Untold = { lost: 0n, lostInKernel: 0n, beyondLimit: 0n };

interface Batch {
  readonly number: bigint;
  readonly bytes: Uint8Array;
  /** How many events it is about, with those that it says are lost. */
  readonly size: bigint;
}

/** In one batch, at most. */
const AT_ONCE = 1024;
const LOOK_AGAIN_MS = 5;

/**
 * Tells the agent of this node of flows, one batch after another, so that an agent which is slow or away costs no more than what waits. What is lost is
 * counted, and told with the next batch; a batch that was not answered is told again, and taken once. An agent that remembers no flows is told of none,
 * and asked now and then whether that is still so.
 */
export class FlowReporter implements Disposable {
  readonly #upstream: Upstream;
  readonly #teller = randomUUID();
  readonly #capacity: number;
  readonly #gatherMs: number;
  /** Those before `#first` are told. */
  #waiting: ToldFlowEvent[] = [];
  #first = 0;
  #untold = NONE;
  #numbers = 0n;
  #unanswered: Batch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isWanted = true;
  readonly #onWanted: (isWanted: boolean) => void;

  constructor({ upstream, capacity = 16_384, gatherMs = 20, onWanted = () => {} }: FlowReporterOptions) {
    this.#capacity = capacity;
    this.#gatherMs = gatherMs;
    this.#onWanted = onWanted;
    this.#upstream = new Upstream(
      upstream,
      { onOpen: () => this.#sendAgain(), onMessage: (bytes) => this.#answered(bytes), onClose: ({ code }) => this.#closed(code) },
      FLOWS_PATH,
    );
  }

  start(): void {
    this.#upstream.open();
  }

  add(event: ToldFlowEvent): void {
    if (!this.#isWanted) return;
    if (this.#waiting.length - this.#first >= this.#capacity) {
      this.#leave(1);
      this.#count('lost', 1n);
    }
    this.#waiting.push(event);
    this.#plan();
  }

  /** Events that cannot be told. */
  lose(count: bigint): void {
    this.#lose('lost', count);
  }

  /** Events that the kernel had no room for. */
  loseInKernel(count: bigint): void {
    this.#lose('lostInKernel', count);
  }

  /** Events that the kernel did not tell of, since it tells of so many in a second. */
  loseBeyondLimit(count: bigint): void {
    this.#lose('beyondLimit', count);
  }

  /**
   * Tells all that is to be told, and that it was all, by a batch of nothing; nothing is to be added then.
   * @param timeoutMs for how long the agent is waited for, in milliseconds. What it has not taken then is lost.
   */
  async finish(timeoutMs: number): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    await this.#untilAnswered(signal);
    if (signal.aborted || !this.#isWanted) return;
    this.#sendBatch([]);
    await this.#untilAnswered(signal);
  }

  async #untilAnswered(signal: AbortSignal): Promise<void> {
    while (this.#isWanted && this.#hasToTell && !signal.aborted) await sleep(LOOK_AGAIN_MS);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#upstream.close();
  }

  #lose(where: keyof Untold, count: bigint): void {
    if (count === 0n || !this.#isWanted) return;
    this.#count(where, count);
    this.#plan();
  }

  #count(where: keyof Untold, count: bigint): void {
    this.#untold = { ...this.#untold, [where]: this.#untold[where] + count };
  }

  #plan(): void {
    if (this.#unanswered) return;
    this.#timer ??= setTimeout(() => this.#send(), this.#gatherMs).unref();
  }

  #send(): void {
    this.#timer = undefined;
    if (this.#unanswered) return;
    const events = this.#waiting.slice(this.#first, this.#first + AT_ONCE);
    if (events.length === 0 && this.#untoldCount === 0n && this.#isWanted) return;
    this.#leave(events.length);
    this.#sendBatch(events);
  }

  #sendBatch(events: readonly ToldFlowEvent[]): void {
    this.#numbers++;
    const bytes = encodeFlowBatch({ teller: this.#teller, number: this.#numbers, events: [...events], ...this.#untold });
    const size = BigInt(events.length) + this.#untoldCount;
    this.#untold = NONE;
    this.#unanswered = { number: this.#numbers, bytes, size };
    this.#upstream.send(bytes);
  }

  /** The first of those that wait do no more. To shift an array is to move all of it. */
  #leave(count: number): void {
    this.#first += count;
    if (this.#first <= this.#capacity && this.#first < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#first);
    this.#first = 0;
  }

  #sendAgain(): void {
    if (this.#unanswered) this.#upstream.send(this.#unanswered.bytes);
    else this.#plan();
  }

  #closed(code: status): void {
    if (code === status.INVALID_ARGUMENT && this.#unanswered) {
      // An agent that cannot read it will not be able to the next time.
      this.#count('lost', this.#unanswered.size);
      this.#unanswered = undefined;
    }
    if (code !== status.UNIMPLEMENTED || !this.#isWanted) return;
    this.#isWanted = false;
    this.#leave(this.#waiting.length - this.#first);
    [this.#untold, this.#unanswered] = [NONE, undefined];
    this.#onWanted(false);
  }

  #answered(bytes: Uint8Array): void {
    if (decodeTaken(bytes) !== this.#unanswered?.number) return;
    this.#unanswered = undefined;
    if (!this.#isWanted) {
      this.#isWanted = true;
      this.#onWanted(true);
    }
    if (this.#hasToTell) this.#send();
  }

  get #hasToTell(): boolean {
    return this.#unanswered !== undefined || this.#waiting.length > this.#first || this.#untoldCount > 0n;
  }

  get #untoldCount(): bigint {
    const { lost, lostInKernel, beyondLimit } = this.#untold;
    return lost + lostInKernel + beyondLimit;
  }
}
