import type { Identity } from '../model/index.ts';
import type { FlowPeer } from './flow.ts';

/** Who an address is. What is known of one is the same object as long as nothing changes. */
export interface Directory {
  /**
   * @param identity as the kernel had it then; undefined for that of the address now
   * @returns at least the address and the identity, whatever is known of it
   */
  peerOf(address: string, identity?: Identity): FlowPeer;
  /**
   * The same of who was chosen for an address that was asked for.
   * @returns with the Service whose address was asked for, where it is one's
   */
  chosenFor(asked: string, address: string): FlowPeer;
}
