import type { Datapath, MetCopy } from '../../bpf/datapath/index.ts';
import { errorOf } from '../error-of.ts';
import type { TcpSocket, TcpSockets } from '../netlink/index.ts';
import { LEG_MARKS, slotPortOf } from '../network/index.ts';

export interface FormerCopiesOptions {
  readonly datapath: {
    readonly addresses: Pick<Datapath['addresses'], 'identityOf'>;
  };
  /** Of the node. */
  readonly connections: Pick<TcpSockets, 'list' | 'destroy'>;
  /** How long a client may stay with a copy that he would not meet any more, in milliseconds. Default 5000: Envoy has him leave by himself until then. */
  readonly graceMs?: number;
  readonly onFailure: (error: Error) => void;
}

const GRACE_MS = 5_000;
const ACCEPTED = { mark: LEG_MARKS.egressListener, mask: LEG_MARKS.mask } as const;

/**
 * Ends connections of clients to copies of listeners that they would not meet any more: they would be asked rules that are not theirs. What Envoy opens for
 * them is judged in any case, so nothing hurries.
 */
export class FormerCopies implements Disposable {
  readonly #options: FormerCopiesOptions;
  #met: ReadonlyMap<string, number> = new Map();
  /** Ports of copies that clients may be with. */
  readonly #ports = new Set<number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FormerCopiesOptions) {
    this.#options = options;
  }

  /** To be told who meets which copy, whenever that has changed. */
  set(met: Iterable<MetCopy>): void {
    const all = [...met];
    this.#met = new Map(all.map(({ address, port, identity, listener }) => [`${address} ${port} ${identity}`, listener]));
    for (const { listener } of all) this.#ports.add(listener);
    if (this.#ports.size === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), this.#options.graceMs ?? GRACE_MS).unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #end(): void {
    const { connections, onFailure } = this.#options;
    try {
      for (const socket of connections.list(ACCEPTED)) if (this.#isFormer(socket)) connections.destroy(socket);
      // Nobody else has one of these before the minute for which it is left alone.
      const met = new Set(this.#met.values());
      for (const port of this.#ports) if (!met.has(port)) this.#ports.delete(port);
    } catch (error) {
      onFailure(errorOf(error));
    }
  }

  #isFormer({ mark, source, sourcePort, destination }: TcpSocket): boolean {
    const copy = slotPortOf(mark);
    const identity = this.#options.datapath.addresses.identityOf(destination);
    return this.#ports.has(copy) && this.#met.get(`${source} ${sourcePort} ${identity}`) !== copy;
  }
}
