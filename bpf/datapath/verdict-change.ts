import { isOfAny, isPermission, type VerdictEntries, type VerdictEntry } from './verdict-entries.ts';

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

/** From so many changed entries on a new trie is cheaper, when that is more than half of it. */
const ANEW_FROM = 256;

/**
 * Two verdicts decide on a packet: the longest match for its peer and the longest for any. Step by step the one could be new already
 * while the other is still old, and together they might allow what neither policy does. So where both kinds change, a new trie is made.
 */
export function planVerdictChange(before: VerdictEntries, after: VerdictEntries): VerdictChange {
  const written = [...after].filter(([name, { decision }]) => before.get(name)?.decision !== decision).map(([, entry]) => entry);
  const removed = [...before].filter(([name]) => !after.has(name)).map(([, entry]) => entry);
  const changed = [...written, ...removed];
  if (changed.length === 0) return { kind: 'none' };
  const touchesBoth = changed.some(isOfAny) && !changed.every(isOfAny);
  if (touchesBoth || (changed.length > ANEW_FROM && changed.length * 2 > after.size)) return { kind: 'anew' };
  return {
    kind: 'stepwise',
    denials: written.filter((entry) => !isPermission(entry)),
    permissions: written.filter(isPermission),
    removedPermissions: removed.filter(isPermission),
    removedDenials: removed.filter((entry) => !isPermission(entry)),
  };
}
