import { askCiliumPolicies } from './cilium-policy.ts';
import { isAudited, isVisible } from './handling.ts';
import { askNetworkPolicies, type Question } from './network-policy.ts';
import type { PlainObject } from './objects.ts';
import { partyAt, podAt } from './parties.ts';
import { type Asked, hear, type Talk } from './talk.ts';

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

/** What becomes of somebody who talks: `asked` where layer 7 decides. */
type Answer = 'allow' | 'deny' | { readonly asked: readonly Asked[]; readonly allows: boolean; readonly audits?: boolean };

/**
 * Judges the first packet of a connection by walking through the policies as they are written: slow and simple, and nothing of it is
 * shared with what it is compared with.
 * @returns `slot` where layer 7 decides at one of the doors, and none denies
 */
export function judge(objects: readonly PlainObject[], packet: Packet, options: OracleOptions = {}): 'allow' | 'deny' | 'slot' {
  const all = [...answers(objects, packet, options)];
  if (all.includes('deny')) return 'deny';
  return all.every((answer) => answer === 'allow') ? 'allow' : 'slot';
}

/** Like {@link judge}, with what is said once the connection is there. */
export function judgeTalk(
  objects: readonly PlainObject[],
  packet: Packet,
  said: Talk,
  options: OracleOptions = {},
): 'allowed' | 'denied by layer 4' | 'denied by layer 7' | 'answered by Envoy' {
  let talk = said;
  for (const answer of answers(objects, packet, options)) {
    if (answer === 'deny') return 'denied by layer 4';
    if (answer === 'allow') continue;
    const heard = hear(answer.asked, talk, answer);
    if (heard.kind === 'answered') return 'answered by Envoy';
    if (heard.kind === 'denied') return 'denied by layer 7';
    talk = heard.talk;
  }
  return 'allowed';
}

/** At the sender's door, then at the receiver's. */
function* answers(objects: readonly PlainObject[], { from, to, protocol, port }: Packet, options: OracleOptions): Iterable<Answer> {
  const sender = podAt(objects, from);
  const receiver = podAt(objects, to);
  if (sender && sender === receiver) return;
  if (sender) yield handle({ objects, subject: sender, direction: 'egress', other: partyAt(objects, to, sender), protocol, port }, options);
  if (receiver)
    yield handle({ objects, subject: receiver, direction: 'ingress', other: partyAt(objects, from, receiver), protocol, port }, options);
}

/** With what annotations ask for. */
function handle(question: Question, options: OracleOptions): Answer {
  const answer = ask(question, options);
  const isProbe = question.direction === 'ingress' && question.other.kind === 'host';
  if (answer === 'deny') return isAudited(question) ? 'allow' : 'deny';
  if (answer === 'allow') return isVisible(question) && !isProbe ? { asked: [], allows: true } : 'allow';
  return { ...answer, audits: isAudited(question) };
}

function ask(question: Question, { enforcement = 'default' }: OracleOptions): Answer {
  if (enforcement === 'never') return 'allow';
  const kubernetes = askNetworkPolicies(question);
  const cilium = askCiliumPolicies(question);
  if (cilium.denies) return 'deny';
  const { asked } = cilium;
  // The own node always reaches its pods.
  if (question.direction === 'ingress' && question.other.kind === 'host') return 'allow';
  const allows = kubernetes.allows || cilium.allows;
  if (asked.length > 0) return { asked, allows };
  if (allows) return 'allow';
  // Whoever is not isolated may send to its node, and so may those that only a NetworkPolicy isolates.
  if (question.other.kind === 'host') return enforcement === 'default' && !cilium.isolates ? 'allow' : 'deny';
  return enforcement === 'default' && !kubernetes.isolates && !cilium.isolates ? 'allow' : 'deny';
}
