import type { Decision, DirectionPolicy, SubjectPolicy, Verdict } from '../../model/index.ts';
import {
  decidesSame,
  encodeVerdicts,
  isOfAny,
  isPermission,
  type PortOf,
  type VerdictEntries,
  type VerdictEntry,
} from './verdict-entries.ts';

/**
 * How a trie becomes what it is to be. In place, in this order: at no moment is allowed what neither the old nor the new verdicts allow,
 * since whatever decides in between is the longest match of the old ones, or of the new.
 */
export interface StepwiseChange {
  readonly kind: 'stepwise';
  readonly denials: readonly VerdictEntry[];
  readonly permissions: readonly VerdictEntry[];
  readonly removedPermissions: readonly VerdictEntry[];
  readonly removedDenials: readonly VerdictEntry[];
}

/** Or a new trie takes its place at once. */
export type VerdictChange = { readonly kind: 'none' } | { readonly kind: 'anew' } | StepwiseChange;

/** What is in one trie and not in another, or with another decision. */
export interface VerdictDifference {
  readonly written: readonly VerdictEntry[];
  readonly removed: readonly VerdictEntry[];
  /** How many there are to be. */
  readonly size: number;
}

/** From so many changed entries on a new trie is cheaper, when that is more than half of it. */
const ANEW_FROM = 256;

/**
 * Two verdicts decide on a packet: the longest match for its peer and the longest for any. Step by step the one could be new already
 * while the other is still old, and together they might allow what neither policy does. So where both kinds change, a new trie is made.
 */
export function planVerdictChange({ written, removed, size }: VerdictDifference): VerdictChange {
  const changed = [...written, ...removed];
  if (changed.length === 0) return { kind: 'none' };
  const touchesBoth = changed.some(isOfAny) && !changed.every(isOfAny);
  if (touchesBoth || (changed.length > ANEW_FROM && changed.length * 2 > size)) return { kind: 'anew' };
  return {
    kind: 'stepwise',
    denials: written.filter((entry) => !isPermission(entry)),
    permissions: written.filter(isPermission),
    removedPermissions: removed.filter(isPermission),
    removedDenials: removed.filter((entry) => !isPermission(entry)),
  };
}

const NOTHING = { decision: 0, slot: 0 };

export function compareEntries(before: VerdictEntries, after: VerdictEntries): VerdictDifference {
  return {
    written: [...after].filter(([name, entry]) => !decidesSame(before.get(name) ?? NOTHING, entry)).map(([, entry]) => entry),
    removed: [...before].filter(([name]) => !after.has(name)).map(([, entry]) => entry),
    size: after.size,
  };
}

/** The same for policies whose slots have the same ports, without looking closer at where they begin and end alike: one more peer makes a difference in one place. */
export function comparePolicies(before: SubjectPolicy, after: SubjectPolicy, portOf: PortOf): VerdictDifference {
  const [ingress, egress] = [trimAlike(before.ingress, after.ingress), trimAlike(before.egress, after.egress)];
  const of = (side: 0 | 1) => encodeVerdicts({ subject: after.subject, ingress: ingress[side], egress: egress[side] }, portOf);
  return { ...compareEntries(of(0), of(1)), size: after.ingress.verdicts.length + after.egress.verdicts.length };
}

function trimAlike(before: DirectionPolicy, after: DirectionPolicy): readonly [before: DirectionPolicy, after: DirectionPolicy] {
  const [a, b] = [before.verdicts, after.verdicts];
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && areAlike(a[start], b[start])) start += 1;
  let end = 0;
  while (end < shorter - start && areAlike(a.at(-1 - end), b.at(-1 - end))) end += 1;
  const cut = ({ defaultDeny, verdicts }: DirectionPolicy) => ({ defaultDeny, verdicts: verdicts.slice(start, verdicts.length - end) });
  return [cut(before), cut(after)];
}

function areAlike(a: Verdict | undefined, b: Verdict | undefined): boolean {
  if (a === b) return true;
  if (!a || !b) return false;
  const isSameKey = a.peer === b.peer && a.protocol === b.protocol && a.port === b.port && a.portPrefixLength === b.portPrefixLength;
  return isSameKey && nameDecision(a.decision) === nameDecision(b.decision);
}

function nameDecision(decision: Decision): string {
  return decision.kind === 'slot' ? decision.slot : decision.kind;
}
