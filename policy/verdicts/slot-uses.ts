import type { FieldRef, Verdict } from '../../model/index.ts';
import { allowingAll, type SlotDraft } from './slot-draft.ts';

interface SlotUse {
  readonly draft: SlotDraft;
  /** How often each list of sources stands in a verdict with the slot. */
  readonly counts: Map<readonly FieldRef[], number>;
}

/** The slots that the verdicts of a direction name, counted, so that some may go without looking at all others. */
export class SlotUses {
  readonly #uses: Map<string, SlotUse>;

  /** @param before whose counts go on */
  constructor(before?: SlotUses) {
    const uses = before ? [...before.#uses] : [];
    this.#uses = new Map(uses.map(([name, { draft, counts }]) => [name, { draft, counts: new Map(counts) }]));
  }

  /** @param made the slots that verdicts may name, by their names */
  add(verdicts: readonly Verdict[], made: ReadonlyMap<string, SlotDraft>): void {
    for (const { decision, sources } of verdicts) {
      if (decision.kind !== 'slot') continue;
      const draft = this.#uses.get(decision.slot)?.draft ?? made.get(decision.slot);
      if (draft) this.#count(draft, sources, 1);
    }
  }

  /** @param verdicts those that were added, themselves */
  remove(verdicts: readonly Verdict[]): void {
    for (const { decision, sources } of verdicts) {
      const use = decision.kind === 'slot' ? this.#uses.get(decision.slot) : undefined;
      if (use) this.#count(use.draft, sources, -1);
    }
  }

  get names(): string[] {
    return [...this.#uses.keys()];
  }

  draft(name: string): SlotDraft | undefined {
    return this.#uses.get(name)?.draft;
  }

  /** What allows everything beside a slot's rules; some of it more than once. */
  allowingAll(name: string): FieldRef[] {
    const use = this.#uses.get(name);
    return use ? [...use.counts.keys()].flatMap((sources) => allowingAll(use.draft, sources)) : [];
  }

  #count(draft: SlotDraft, sources: readonly FieldRef[], by: 1 | -1): void {
    const { counts } = this.#uses.get(draft.name) ?? { counts: new Map<readonly FieldRef[], number>() };
    const count = (counts.get(sources) ?? 0) + by;
    if (count > 0) counts.set(sources, count);
    else counts.delete(sources);
    if (counts.size > 0) this.#uses.set(draft.name, { draft, counts });
    else this.#uses.delete(draft.name);
  }
}
