import type { Identity } from '../model/index.ts';
import type { FlowPeer } from './flow.ts';

/** Who an address is. */
export interface Directory {
  /**
   * @param identity as the kernel had it then; undefined for that of the address now
   * @returns at least the address and the identity, whatever is known of it
   */
  peerOf(address: string, identity?: Identity): FlowPeer;
}
