import { setImmediate } from 'node:timers/promises';
import { clockOffset, FailureSeldom, toldEvent } from '../../agent/index.ts';
import type { Datapath, FlowEvent } from '../../bpf/datapath/index.ts';
import { FlowReporter, type UpstreamAddress } from '../../xds-server/relay/index.ts';

/** How often it is asked what was lost, and what time it is. */
const REVIEW_MS = 1_000;
/** Drops that are told of in each second, on each processor. Those beyond are told as lost. */
const DROPS_PER_SECOND = 1_000;
const LAST_WORDS_MS = 1_000;

/** What the kernel tells, and what it does not. */
export interface FlowSource extends Pick<Datapath, 'setMonitor'> {
  flows(): AsyncIterator<FlowEvent> & Disposable & { readonly lost: bigint; readonly beyondLimit: bigint };
}

export interface FlowTellingOptions {
  readonly source: FlowSource;
  /** The agent of this node. */
  readonly upstream: UpstreamAddress;
  /** Told of what went wrong with an event, of one in a minute. Each is told to the agent as lost. */
  readonly onFailure: (error: Error) => void;
  /** For how long the agent has to take what is there when this ends, in milliseconds. Default 1 s. */
  readonly lastWordsMs?: number;
}

/** Tells the agent of this node what the kernel tells of flows, from when it is made until it is closed; then the kernel tells of none. */
export class FlowTelling implements AsyncDisposable {
  readonly #source: FlowSource;
  readonly #events: ReturnType<FlowSource['flows']>;
  readonly #reporter: FlowReporter;
  readonly #failures: FailureSeldom;
  readonly #timer: NodeJS.Timeout;
  readonly #reading: Promise<void>;
  readonly #lastWordsMs: number;
  #clockOffset = clockOffset();
  #heard = 0;
  #lost = 0n;
  #beyondLimit = 0n;

  constructor({ source, upstream, onFailure, lastWordsMs = LAST_WORDS_MS }: FlowTellingOptions) {
    this.#source = source;
    this.#lastWordsMs = lastWordsMs;
    this.#failures = new FailureSeldom(onFailure);
    this.#events = source.flows();
    this.#reporter = new FlowReporter({ upstream, onWanted: (isWanted) => this.#guard(() => this.#monitor(isWanted)) });
    this.#reporter.start();
    this.#timer = setInterval(() => this.#guard(() => this.#review()), REVIEW_MS).unref();
    this.#monitor(true);
    this.#reading = this.#read();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    // Until there is a next, nobody reads what it would tell.
    this.#guard(() => this.#monitor(false));
    await this.#hearRest();
    this.#guard(() => this.#review());
    this.#events[Symbol.dispose]();
    await this.#reading;
    await this.#reporter.finish(this.#lastWordsMs);
    this.#reporter[Symbol.dispose]();
  }

  /** What the kernel has told by now comes some thousands at a time. */
  async #hearRest(): Promise<void> {
    for (let before = -1; before < this.#heard; ) {
      before = this.#heard;
      await setImmediate();
    }
  }

  #monitor(isWanted: boolean): void {
    this.#source.setMonitor(isWanted ? 'connections' : 'nothing', DROPS_PER_SECOND);
  }

  async #read(): Promise<void> {
    for (;;) {
      try {
        const { done, value } = await this.#events.next();
        if (done) return;
        this.#heard += 1;
        this.#reporter.add(toldEvent(value, this.#clockOffset));
      } catch (error) {
        this.#failures.note(error);
        this.#reporter.lose(1n);
        // Whatever it was, others have their turn before the next.
        await setImmediate();
      }
    }
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failures.note(error);
    }
  }

  #review(): void {
    this.#clockOffset = clockOffset();
    const { lost, beyondLimit } = this.#events;
    this.#reporter.loseInKernel(lost - this.#lost);
    this.#reporter.loseBeyondLimit(beyondLimit - this.#beyondLimit);
    [this.#lost, this.#beyondLimit] = [lost, beyondLimit];
  }
}
