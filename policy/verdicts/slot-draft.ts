import { createHash } from 'node:crypto';
import type { Direction, FieldRef, HttpRule, ServerNameRule, Slot, SlotRules } from '../../model/index.ts';
import { isSameSource, sortSources } from './sources.ts';

/** Rules that always hold together. */
export interface Clause {
  readonly key: string;
  readonly rules: SlotRules;
  readonly source: FieldRef;
  /** Whether what its rules do not allow passes all the same, as its policy does not isolate. */
  readonly allowsAll: boolean;
}

/** A slot as the verdicts of one direction of a policy have it. */
export interface SlotDraft {
  readonly name: string;
  readonly direction: Direction;
  /** Sorted by source. One key may be that of several. */
  readonly clauses: readonly Clause[];
  readonly audits: boolean;
  readonly ofIngresses: boolean;
}

export interface DraftOptions {
  /** Whether something allows everything besides. */
  readonly allowsAll: boolean;
  /** Whether what is not allowed is only told of. */
  readonly audits: boolean;
  /** Whether it decides of what comes to Ingresses. */
  readonly ofIngresses: boolean;
}

/** 132 bits: enough for names never to meet by chance. */
const HASH_LENGTH = 22;

/** The slot of what some clauses decide. */
export function draftSlot(direction: Direction, clauses: readonly Clause[], { allowsAll, audits, ofIngresses }: DraftOptions): SlotDraft {
  const keys = [...new Set(clauses.map(({ key }) => key))].sort();
  const isOpen = allowsAll || clauses.some((clause) => clause.allowsAll);
  const hash = createHash('sha256')
    .update(JSON.stringify([keys, isOpen, ...(audits ? ['audit'] : []), ...(ofIngresses ? ['ingresses'] : [])]))
    .digest('base64url')
    .slice(0, HASH_LENGTH);
  return { name: `${kindOf(clauses)}/${direction}/${hash}`, direction, clauses, audits, ofIngresses };
}

/** Whether rules of several kinds meet. Nothing can tell what a connection is then, so none of them allows anything. */
export function isConflict({ clauses }: SlotDraft): boolean {
  return new Set(clauses.map(({ rules }) => rules.kind)).size > 1;
}

/** Of a conflict: that which takes whole connections. */
function kindOf(clauses: readonly Clause[]): SlotRules['kind'] {
  return clauses.every(({ rules }) => rules.kind === 'http') ? 'http' : 'tls';
}

/** What allows everything beside a slot's rules, of the sources of a verdict. */
export function allowingAll({ clauses }: SlotDraft, sources: readonly FieldRef[]): FieldRef[] {
  return sources.filter((source) => clauses.find((clause) => isSameSource(clause.source, source))?.allowsAll ?? true);
}

/** @param allowsAll of all verdicts with this slot */
export function slotOf(draft: SlotDraft, allowsAll: Iterable<FieldRef>): Slot {
  const { name, direction, clauses, audits, ofIngresses } = draft;
  const rules: SlotRules = isConflict(draft) ? { kind: 'tls', rules: [] } : rulesOf(clauses);
  return { name, direction, rules, allowsAll: sortSources(allowsAll), ...(audits && { audits }), ...(ofIngresses && { ofIngresses }) };
}

function rulesOf(clauses: readonly Clause[]): SlotRules {
  const http: HttpRule[] = [];
  const tls: ServerNameRule[] = [];
  for (const { rules } of clauses) {
    if (rules.kind === 'http') http.push(...rules.rules);
    else tls.push(...rules.rules);
  }
  return kindOf(clauses) === 'http' ? { kind: 'http', rules: http } : { kind: 'tls', rules: tls };
}
