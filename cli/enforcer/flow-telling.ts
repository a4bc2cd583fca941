import { clockOffset, toldEvent } from '../../agent/index.ts';
import type { Datapath, FlowEvents } from '../../bpf/datapath/index.ts';
import { FlowReporter, type UpstreamAddress } from '../../xds-server/relay/index.ts';

/** How often it is asked what was lost, and what time it is. */
const REVIEW_MS = 1_000;
/** Drops that are told of in each second, on each processor. */
const DROPS_PER_SECOND = 1_000;

/** Tells the agent of this node what the kernel tells of flows, from when it is made until it is closed. */
export class FlowTelling implements Disposable {
  readonly #events: FlowEvents;
  readonly #reporter: FlowReporter;
  readonly #timer: NodeJS.Timeout;
  #clockOffset = clockOffset();
  #lost = 0n;

  constructor(datapath: Pick<Datapath, 'flows' | 'setMonitor'>, upstream: UpstreamAddress) {
    this.#events = datapath.flows();
    const monitor = (isWanted: boolean) => datapath.setMonitor(isWanted ? 'connections' : 'nothing', DROPS_PER_SECOND);
    this.#reporter = new FlowReporter({ upstream, onWanted: monitor });
    this.#reporter.start();
    this.#timer = setInterval(() => this.#review(), REVIEW_MS).unref();
    monitor(true);
    void this.#read();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#events[Symbol.dispose]();
    this.#reporter[Symbol.dispose]();
  }

  async #read(): Promise<void> {
    for await (const event of this.#events) this.#reporter.add(toldEvent(event, this.#clockOffset));
  }

  #review(): void {
    this.#clockOffset = clockOffset();
    const { lost } = this.#events;
    this.#reporter.loseInKernel(lost - this.#lost);
    this.#lost = lost;
  }
}
