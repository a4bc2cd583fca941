import type { BpfMap, Codec, RingBuffer } from 'libbpf-ts';
import { decodeFlowEvent, type FlowEvent } from './flows.ts';
import type { flow_event } from './gen/policy.ts';

type RawEvent = typeof flow_event extends Codec<infer T> ? T : never;

/** What the kernel tells of flows, from when it was made on; for one reader. Who waits for the next keeps the process. */
export class FlowEvents implements AsyncIterableIterator<FlowEvent>, Disposable {
  readonly #events: RingBuffer<RawEvent>;
  readonly #lostInKernel: BpfMap<number, readonly bigint[]>;
  readonly #lostBefore: bigint;

  /** @param lostInKernel what the programs had no room for, by processor */
  constructor(events: RingBuffer<RawEvent>, lostInKernel: BpfMap<number, readonly bigint[]>) {
    this.#events = events;
    this.#lostInKernel = lostInKernel;
    this.#lostBefore = this.#countLost();
  }

  /** Events that nobody will be told of, since the kernel or this process had no room for them. */
  get lost(): bigint {
    const { dropped, malformed } = this.#events;
    return this.#countLost() - this.#lostBefore + BigInt(dropped + malformed);
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

  #countLost(): bigint {
    return (this.#lostInKernel.get(0) ?? []).reduce((sum, each) => sum + each, 0n);
  }
}
