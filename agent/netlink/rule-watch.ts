import { NetlinkError } from './netlink-error.ts';
import { NetlinkSocket } from './socket.ts';

/** Links; rules and settings of devices, such as `rp_filter`, of each family. @see include/uapi/linux/rtnetlink.h */
const GROUPS = [1, 8, 19, 24, 25];

/** Calls whenever links, rules or the kernel's settings of devices have changed, or may have. Does not keep the process. */
export class RuleWatch implements Disposable {
  readonly #socket: NetlinkSocket;

  /** @throws NetlinkError `unavailable`, `refused` */
  constructor(onChange: () => void) {
    this.#socket = NetlinkSocket.open();
    for (const group of GROUPS) this.#socket.join(group);
    this.#socket.onReadable(() => {
      this.#drain();
      onChange();
    });
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  /** What was told does not matter, since all is looked at anyway. */
  #drain(): void {
    try {
      while (this.#socket.receive() !== undefined);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code === 'refused') throw error;
    }
  }
}
