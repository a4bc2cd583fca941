import type { Identity } from './identity.ts';
import type { FieldRef } from './provenance.ts';

/** As the subject sees it: `ingress` is towards it. */
export type Direction = 'ingress' | 'egress';

/** IP protocol numbers that policy names. @see https://www.iana.org/assignments/protocol-numbers */
export const IP_PROTOCOLS = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58, SCTP: 132 } as const;

/** Any peer, and any protocol. */
export const ANY = 0;

export type Decision =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny' }
  /** To be decided by rules of layer 7; the name tells which. */
  | { readonly kind: 'slot'; readonly slot: string };

/**
 * One rule as the kernel has it. Of those that match a packet the one with the longest match of (protocol, port) is
 * taken for its peer and for any peer; of these two a denial wins, then a slot, then the longer match. A verdict that can
 * never decide is not among those of a {@link SubjectPolicy}: it would hide one that does.
 */
export interface Verdict {
  /** {@link ANY} for every peer. */
  readonly peer: Identity;
  /** An IP protocol, or {@link ANY}; then the port has prefix length 0. */
  readonly protocol: number;
  /** Destination port; the type for ICMP. Host byte order; bits beyond the prefix are 0. */
  readonly port: number;
  /** How many of the port's 16 leading bits count: 16 for one port, 0 for any. */
  readonly portPrefixLength: number;
  readonly decision: Decision;
  /** The rules that decide, sorted; never empty. */
  readonly sources: readonly FieldRef[];
}

/** What holds in one direction. */
export interface DirectionPolicy {
  /** Whether what no verdict matches is denied. */
  readonly defaultDeny: boolean;
  /** Sorted by peer, protocol, port and prefix length; one for each such key. */
  readonly verdicts: readonly Verdict[];
}

/** Shared by all endpoints of one identity. Equal policies are the same object from one compilation to the next. */
export interface SubjectPolicy {
  readonly subject: Identity;
  readonly ingress: DirectionPolicy;
  readonly egress: DirectionPolicy;
  /** Whether what it does not allow passes, and is told of. Absent: it does not pass. */
  readonly audits?: true;
}
