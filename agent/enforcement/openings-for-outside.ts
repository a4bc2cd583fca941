import type { Datapath } from '../../bpf/datapath/index.ts';
import { cookieOf, type TcpSockets } from '../netlink/index.ts';
import { OPENED_FOR_OUTSIDE } from '../network/index.ts';
import { FailureOnce } from './failure-once.ts';

export interface OpeningsForOutsideOptions {
  readonly datapath: Pick<Datapath, 'staleOpenings'>;
  /** Of the node. */
  readonly connections: Pick<TcpSockets, 'list' | 'destroy'>;
  /** Told what could not be done, and is tried again when this is asked next. */
  readonly onFailure: (error: Error) => void;
}

/**
 * What Envoy keeps of connections that it opened for clients outside of the node, where a backend of this node lets them in no more. The kernel drops what
 * goes by one; Envoy is to hear of it before it sends the next request.
 */
export class OpeningsForOutside {
  readonly #options: OpeningsForOutsideOptions;
  readonly #failure: FailureOnce;

  constructor(options: OpeningsForOutsideOptions) {
    this.#options = options;
    this.#failure = new FailureOnce(options.onFailure);
  }

  /** To be called after what changes policies, or who is who. */
  review(): void {
    const { datapath, connections } = this.#options;
    try {
      const stale = datapath.staleOpenings();
      if (stale.size > 0)
        for (const socket of connections.list(OPENED_FOR_OUTSIDE)) if (stale.has(cookieOf(socket))) connections.destroy(socket);
      this.#failure.over();
    } catch (cause) {
      this.#failure.note(cause);
    }
  }
}
