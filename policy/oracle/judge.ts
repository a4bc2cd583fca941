import { askCiliumPolicies } from './cilium-policy.ts';
import { askNetworkPolicies, type Question } from './network-policy.ts';
import type { PlainObject } from './objects.ts';
import { partyAt, podAt } from './parties.ts';

export interface Packet {
  /** Of whoever opens the connection; in canonical form, of the same family as the other. */
  readonly from: string;
  readonly to: string;
  /** `TCP`, `UDP`, `SCTP`, `ICMP` or `ICMPv6`. */
  readonly protocol: string;
  /** Destination port, or type of an ICMP message. */
  readonly port: number;
}

export interface OracleOptions {
  /** By default `default`. */
  readonly enforcement?: 'default' | 'always' | 'never';
}

/**
 * Judges the first packet of a connection by walking through the policies as they are written: slow and simple, and nothing of it is
 * shared with what it is compared with.
 */
export function judge(
  objects: readonly PlainObject[],
  { from, to, protocol, port }: Packet,
  options: OracleOptions = {},
): 'allow' | 'deny' {
  const sender = podAt(objects, from);
  const receiver = podAt(objects, to);
  if (sender && sender === receiver) return 'allow';
  if (sender) {
    const other = partyAt(objects, to, sender);
    if (!passes({ objects, subject: sender, direction: 'egress', other, protocol, port }, options)) return 'deny';
  }
  if (receiver) {
    const other = partyAt(objects, from, receiver);
    if (!passes({ objects, subject: receiver, direction: 'ingress', other, protocol, port }, options)) return 'deny';
  }
  return 'allow';
}

function passes(question: Question, { enforcement = 'default' }: OracleOptions): boolean {
  if (enforcement === 'never') return true;
  const kubernetes = askNetworkPolicies(question);
  const cilium = askCiliumPolicies(question);
  if (cilium.denies) return false;
  if (kubernetes.allows || cilium.allows) return true;
  if (question.other.kind === 'host') {
    // Whoever is not isolated may send to its node, and so may those that only a NetworkPolicy isolates.
    return question.direction === 'ingress' || (enforcement === 'default' && !cilium.isolates);
  }
  return enforcement === 'default' && !kubernetes.isolates && !cilium.isolates;
}
