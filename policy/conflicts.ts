import { type Diagnostic, formatField } from '../model/index.ts';
import { diagnose } from './report.ts';
import type { Clause, SlotDraft } from './verdicts/slot-draft.ts';

const ASKS = { http: 'asks for HTTP requests', tls: 'asks for server names' } as const;

/** A finding for each place whose rules meet rules of another kind at a port of the same peers. Slots tell of a place more than once. */
export function diagnoseConflicts(conflicts: readonly SlotDraft[]): Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  for (const { clauses } of conflicts) {
    for (const clause of clauses) {
      const key = JSON.stringify(clause.source);
      const other = clauses.find(({ rules }) => rules.kind !== clause.rules.kind);
      if (other && !found.has(key)) found.set(key, conflictOf(clause, other));
    }
  }
  return [...found.values()];
}

function conflictOf({ rules, source }: Clause, other: Clause): Diagnostic {
  const message = `${ASKS[rules.kind]} at a port where ${formatField(other.source)} ${ASKS[other.rules.kind]}: what needs either is denied there`;
  return diagnose(source.object, source.path, 'ConflictingLayer7', message);
}
