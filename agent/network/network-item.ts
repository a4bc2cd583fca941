/** One thing that the network of a node must have for packets to be steered. */
export interface NetworkItem {
  readonly kind: 'sysctl' | 'device' | 'address' | 'netfilter' | 'route' | 'rule';
  /** Unique: `net.ipv4.tcp_early_demux`, `steer0`, `inet sluice guard`, `ipv6 table 2004`. */
  readonly name: string;
  readonly wanted: string;
  /** Equal to `wanted` where all is well; undefined where it is not there. */
  readonly found: string | undefined;
}

/** Something that is looked at, made, and taken away. What its methods throw are NetlinkErrors and SteeringNetworkErrors. */
export interface NetworkPart {
  items(): readonly NetworkItem[];
  /** Makes what is not as it is to be; where all is, nothing changes. */
  make(): void;
  /** What is not there is passed over. @returns what was there and is not any more, or is again as it was */
  remove(): readonly string[];
}

/** What is wanted of something that is there and should not be. */
export const NOTHING = 'nothing';

export function isAsWanted({ wanted, found }: NetworkItem): boolean {
  return wanted === found;
}
