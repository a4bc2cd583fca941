import type { Datapath } from '../../bpf/datapath/index.ts';
import type { TcpSocket, TcpSockets } from '../netlink/index.ts';
import { ledSlotOf, OPENED_FOR_PODS, slotPortOf } from '../network/index.ts';
import { FailureOnce } from './failure-once.ts';

export interface OpeningsForPodsOptions {
  readonly datapath: Pick<Datapath, 'judgeOpenedForPods'> & {
    readonly taken: Pick<Datapath['taken'], 'entries'>;
    readonly askedCopies: Pick<Datapath['askedCopies'], 'slotOf'>;
  };
  /** Of the node. */
  readonly connections: Pick<TcpSockets, 'list' | 'destroy'>;
  /** Told what could not be done, and is tried again when this is asked next. */
  readonly onFailure: (error: Error) => void;
}

/**
 * What Envoy opened for pods that asked Services which listeners take, and keeps for more of their requests. The kernel drops what goes by a connection that
 * would be opened in another way by now; Envoy is to hear of it before it sends the next request.
 */
export class OpeningsForPods {
  readonly #options: OpeningsForPodsOptions;
  /** Whether there may be any: they outlive what is taken. */
  #mayBeOpen = true;
  readonly #failure: FailureOnce;

  constructor(options: OpeningsForPodsOptions) {
    this.#options = options;
    this.#failure = new FailureOnce(options.onFailure);
  }

  /** To be called after what changes policies, or who is who. */
  review(): void {
    const { datapath, connections } = this.#options;
    if (!this.#mayBeOpen && datapath.taken.entries().next().done) return;
    try {
      const all = connections.list(OPENED_FOR_PODS);
      const slots = datapath.judgeOpenedForPods(
        all.map(({ source, destination, destinationPort: port }) => ({ source, destination, port })),
      );
      for (const [index, socket] of all.entries()) if (!this.#isOpenedSo(socket, slots[index])) connections.destroy(socket);
      this.#mayBeOpen = all.length > 0;
      this.#failure.over();
    } catch (cause) {
      this.#mayBeOpen = true;
      this.#failure.note(cause);
    }
  }

  /** @param slot as the kernel judges now: 0 where no slot decides, undefined where it is refused */
  #isOpenedSo({ mark }: TcpSocket, slot: number | undefined): boolean {
    const led = ledSlotOf(mark);
    return (
      slot === led || (slot !== undefined && slot > 0 && led === 0 && this.#options.datapath.askedCopies.slotOf(slotPortOf(mark)) === slot)
    );
  }
}
