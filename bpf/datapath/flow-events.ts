import type { BpfMap, Codec, RingBuffer } from 'libbpf-ts';
import { decodeFlowEvent, type FlowEvent } from './flows.ts';
import type { flow_event } from './gen/policy.ts';

type RawEvent = typeof flow_event extends Codec<infer T> ? T : never;

type Counters = BpfMap<number, readonly bigint[]>;

/** What the programs did not tell of, by processor: there was no room for it, or it was more than they may tell of in a second. */
export interface UntoldEvents {
  readonly lost: Counters;
  readonly beyondLimit: Counters;
}

/** What the kernel tells of flows, from when it was made on; for one reader. Who waits for the next keeps the process. */
export class FlowEvents implements AsyncIterableIterator<FlowEvent>, Disposable {
  readonly #events: RingBuffer<RawEvent>;
  readonly #untold: UntoldEvents;
  readonly #lostBefore: bigint;
  readonly #beyondLimitBefore: bigint;

  constructor(events: RingBuffer<RawEvent>, untold: UntoldEvents) {
    this.#events = events;
    this.#untold = untold;
    this.#lostBefore = countOf(untold.lost);
    this.#beyondLimitBefore = countOf(untold.beyondLimit);
  }

  /** Events that nobody will be told of, since the kernel or this process had no room for them. */
  get lost(): bigint {
    const { dropped, malformed } = this.#events;
    return countOf(this.#untold.lost) - this.#lostBefore + BigInt(dropped + malformed);
  }

  /** Packets that were dropped, or only by audit mode not, of which nobody will be told, since they were more than is told of in a second. */
  get beyondLimit(): bigint {
    return countOf(this.#untold.beyondLimit) - this.#beyondLimitBefore;
  }

  async next(): Promise<IteratorResult<FlowEvent>> {
    const { done, value } = await this.#events.next();
    return done ? { done, value: undefined } : { done: false, value: decodeFlowEvent(value) };
  }

  return(): Promise<IteratorResult<FlowEvent>> {
    this[Symbol.dispose]();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]();
  }
}

function countOf(counters: Counters): bigint {
  return (counters.get(0) ?? []).reduce((sum, each) => sum + each, 0n);
}
