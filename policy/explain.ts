import type { Direction, FieldRef, Identity, SubjectPolicy, Verdict } from '../model/index.ts';
import { judgePacket } from './verdicts/lookup.ts';

/** A packet, seen from one of its ends. */
export interface PacketQuestion {
  readonly direction: Direction;
  /** Who is at the other end. */
  readonly peer: Identity;
  /** IP protocol number. */
  readonly protocol: number;
  /** Destination port, or type of an ICMP message. */
  readonly port: number;
}

/** Why a packet passes or not, at one end. */
export interface Explanation {
  readonly direction: Direction;
  readonly subject: Identity;
  readonly peer: Identity;
  readonly decision: 'allow' | 'deny' | 'slot';
  /**
   * `no-policy`: nobody isolates the subject. `default-deny`: it is isolated, and nothing allows the packet. `verdict`: the rules
   * in `sources` decide.
   */
  readonly reason: 'no-policy' | 'default-deny' | 'verdict';
  readonly verdict: Verdict | undefined;
  readonly sources: readonly FieldRef[];
  /** What else matched, and was weaker: the other of the two that the kernel finds. */
  readonly runnerUp: Verdict | undefined;
}

/** Says which rule decides about a packet at one end, and which came second. */
export function explainPacket(policy: SubjectPolicy, { direction, peer, protocol, port }: PacketQuestion): Explanation {
  const { decision, verdict, runnerUp } = judgePacket(policy[direction], peer, protocol, port);
  const byDefault = policy[direction].defaultDeny ? 'default-deny' : 'no-policy';
  return {
    direction,
    subject: policy.subject,
    peer,
    decision: decision.kind,
    reason: verdict ? 'verdict' : byDefault,
    verdict,
    sources: verdict?.sources ?? [],
    runnerUp,
  };
}

/** The identities whose labels include all of these, each as `k8s:app=web`; none where no identity has them. */
export function identitiesWithLabels(
  identities: Iterable<{ readonly identity: Identity; readonly labels: readonly string[] }>,
  labels: readonly string[],
): Identity[] {
  return Array.from(identities)
    .filter((entry) => labels.every((label) => entry.labels.includes(label)))
    .map(({ identity }) => identity)
    .sort((a, b) => a - b);
}
