import { ANY, type Decision, type DirectionPolicy, type Identity, type Verdict } from '../../model/index.ts';

/** What one subject's policy says of a packet in one direction. */
export interface Judgement {
  readonly decision: Decision;
  /** The verdict that decided; undefined where none matched and the default did. */
  readonly verdict: Verdict | undefined;
  /** The other of the two that were found, if there is one. */
  readonly runnerUp: Verdict | undefined;
}

const STRENGTH = { allow: 0, slot: 1, deny: 2 } as const;

/**
 * Judges as the kernel does, with two look-ups: the longest match for the peer, and the one for any peer. Of these the stronger counts
 * (a denial, then a slot), then the longer match, then the peer's own.
 * @param port destination port, or the type of an ICMP message
 */
export function judgePacket({ defaultDeny, verdicts }: DirectionPolicy, peer: Identity, protocol: number, port: number): Judgement {
  const own = longestMatch(verdicts, peer, protocol, port);
  const any = longestMatch(verdicts, ANY, protocol, port);
  if (!own && !any) return { decision: { kind: defaultDeny ? 'deny' : 'allow' }, verdict: undefined, runnerUp: undefined };
  const [verdict, runnerUp] = own && (!any || !isStronger(any, own)) ? [own, any] : [any, own];
  return { decision: verdict?.decision ?? { kind: 'deny' }, verdict, runnerUp };
}

function isStronger(a: Verdict, b: Verdict): boolean {
  const difference = STRENGTH[a.decision.kind] - STRENGTH[b.decision.kind];
  return difference > 0 || (difference === 0 && matchLength(a) > matchLength(b));
}

function longestMatch(verdicts: readonly Verdict[], peer: Identity, protocol: number, port: number): Verdict | undefined {
  let longest: Verdict | undefined;
  for (const verdict of verdicts) {
    if (verdict.peer !== peer || !isMatch(verdict, protocol, port)) continue;
    if (!longest || matchLength(verdict) > matchLength(longest)) longest = verdict;
  }
  return longest;
}

function isMatch(verdict: Verdict, protocol: number, port: number): boolean {
  if (verdict.protocol === ANY) return true;
  const shift = 16 - verdict.portPrefixLength;
  return verdict.protocol === protocol && verdict.port >>> shift === port >>> shift;
}

function matchLength({ protocol, portPrefixLength }: Verdict): number {
  return protocol === ANY ? 0 : 1 + portPrefixLength;
}
