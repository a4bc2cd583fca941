import type { Diagnostic, Direction, FieldRef, ObjectRef, SlotRules } from '../../model/index.ts';
import { formatPrefix, type Prefix } from '../addresses/prefix.ts';
import { type LabelSelector, selectorKey } from '../labels/selector.ts';

/** Who stands at the other end. */
export type Peer =
  /** Identities with these labels. */
  | { readonly kind: 'labels'; readonly selector: LabelSelector }
  /**
   * Addresses inside of a prefix and outside of others. `world`: only what belongs to no pod, node or pod network, as Cilium has it;
   * `every`: whoever has the address.
   */
  | { readonly kind: 'addresses'; readonly within: Prefix; readonly except: readonly Prefix[]; readonly of: 'world' | 'every' };

/** The same text for peers that mean the same. */
export function peerKey(peer: Peer): string {
  if (peer.kind === 'labels') return `labels ${selectorKey(peer.selector)}`;
  return `addresses ${peer.of} ${formatPrefix(peer.within)} ${peer.except.map(formatPrefix).sort().join()}`;
}

/** All ports are one range from 0 to 65535. Of ICMP the type stands where others have the port. */
export interface PortRange {
  readonly kind: 'range';
  /** `ANY` only with all ports. */
  readonly protocol: number;
  readonly first: number;
  readonly last: number;
}

/** Ports of containers by this name, of pods at the receiving end. */
export interface PortName {
  readonly kind: 'name';
  readonly name: string;
  readonly protocols: readonly number[];
}

export type PortMatch = PortRange | PortName;

/** What requests or connections must be that a rule allows. */
export interface Layer7 {
  /**
   * The same text for rules of a policy that are of one kind and mean the same peers and ports, so that they always hold together. It does
   * not depend on where a rule stands, nor on what it asks for.
   */
  readonly clause: string;
  /** Those that are wrong are left out. */
  readonly rules: SlotRules;
}

/** An allowance or denial. What matches a peer and a port is meant; neither `any` nor listed, nothing is. */
export interface Rule {
  readonly direction: Direction;
  readonly action: 'allow' | 'deny';
  readonly peers: 'any' | readonly Peer[];
  readonly ports: 'any' | readonly PortMatch[];
  /** Absent: everything passes that it allows. */
  readonly layer7?: Layer7;
  readonly source: FieldRef;
}

/** What a policy does in one direction. */
export interface DirectionRules {
  /** Whether what no rule allows is denied for those whom the policy selects. */
  readonly isolates: boolean;
  /** Whether nothing may be allowed, because a denial of the policy cannot be read. */
  readonly closed: boolean;
  readonly rules: readonly Rule[];
}

/** One rule set of a policy: rules for those whom it selects. */
export interface PolicyUnit {
  /** Unique: the object's key, with an index where it has several rule sets. */
  readonly key: string;
  readonly object: ObjectRef;
  readonly subject: LabelSelector;
  readonly ingress: DirectionRules;
  readonly egress: DirectionRules;
}

export const NO_RULES: DirectionRules = { isolates: false, closed: false, rules: [] };

export interface IngestedPolicy {
  readonly units: readonly PolicyUnit[];
  readonly diagnostics: readonly Diagnostic[];
}
