import { setTimeout as sleep } from 'node:timers/promises';
import { type FlowAddress, IdentityError, type NodeFlows, type NodeIdentity } from '../../agent/index.ts';
import { describeFailure } from '../describe-failure.ts';
import type { Log } from '../log.ts';

export interface FlowsForOthersOptions extends Pick<FlowAddress, 'port' | 'clients'> {
  readonly flows: Pick<NodeFlows, 'listenForOthers'>;
  readonly identity: Pick<NodeIdentity, 'serving'>;
  readonly log: Log;
  /** Before it is tried again where that failed, in milliseconds. Default 5 s. */
  readonly retryMs?: number;
}

/** Of both families. */
const ALL_ADDRESSES = '::';
const RETRY_MS = 5_000;

/** Tells others of a node's flows, from when the node has a certificate for that. A port that is taken is waited for, and keeps nobody from anything else. */
export class FlowsForOthers implements Disposable {
  readonly #options: FlowsForOthersOptions;
  readonly #stop = new AbortController();

  constructor(options: FlowsForOthersOptions) {
    this.#options = options;
    void this.#begin(this.#stop.signal);
  }

  /** Begins no more; who is answered already is for the flows to end. */
  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const { flows, identity, port, clients, log, retryMs = RETRY_MS } = this.#options;
    let said = '';
    while (!signal.aborted) {
      try {
        const credentials = await identity.serving();
        if (signal.aborted) return;
        const bound = await flows.listenForOthers({ host: ALL_ADDRESSES, port, credentials, clients });
        log({ level: 'info', event: 'flows', text: `tells of flows on port ${bound}, by mutual TLS` });
        return;
      } catch (error) {
        if (error instanceof IdentityError && error.code === 'closed') return;
        const text = `nobody else can ask for flows: ${describeFailure(error)}; trying again`;
        if (text !== said) log({ level: 'error', event: 'flows', text });
        said = text;
      }
      await sleep(retryMs, undefined, { signal }).catch(() => {});
    }
  }
}
