import { equal } from '../../collection/index.ts';
import type { FieldRef, Slot } from '../../model/index.ts';
import type { CompiledDirection } from './compile-direction.ts';
import { allowingAll, isConflict, type SlotDraft, slotOf } from './slot-draft.ts';

export interface SlotChanges {
  readonly upserts: readonly Slot[];
  /** Their names. */
  readonly removals: readonly string[];
}

/** What one user's verdicts say of a slot. */
interface Use {
  readonly draft: SlotDraft;
  /** Of all its verdicts. */
  readonly allowsAll: ReadonlySet<FieldRef>;
}

/** Which slots there are: those that a verdict of any user names. */
export class SlotTable<User> {
  readonly #usesByName = new Map<string, Map<User, Use>>();
  readonly #namesOf = new Map<User, readonly string[]>();
  readonly #told = new Map<string, Slot>();
  readonly #stale = new Set<string>();

  /** As of the last time that all was settled. */
  find(name: string): Slot | undefined {
    return this.#told.get(name);
  }

  /** Those in which rules of several kinds meet, by names. */
  conflicts(): SlotDraft[] {
    const drafts = [...this.#usesByName.values()].flatMap((uses) => [...uses.values()].slice(0, 1).map(({ draft }) => draft));
    return drafts.filter(isConflict).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Takes what holds for a user now. */
  use(user: User, { policy, slots }: CompiledDirection): void {
    this.drop(user);
    if (slots.size === 0) return;
    const allowing = new Map<string, Set<FieldRef>>();
    for (const verdict of policy.verdicts) {
      const { decision } = verdict;
      const draft = decision.kind === 'slot' ? slots.get(decision.slot) : undefined;
      if (!draft) continue;
      const found = allowing.get(draft.name) ?? new Set();
      allowing.set(draft.name, found);
      for (const source of allowingAll(draft, verdict)) found.add(source);
    }
    this.#namesOf.set(user, [...slots.keys()]);
    for (const [name, draft] of slots) {
      this.#stale.add(name);
      const uses = this.#usesByName.get(name) ?? new Map<User, Use>();
      this.#usesByName.set(name, uses.set(user, { draft, allowsAll: allowing.get(name) ?? new Set() }));
    }
  }

  drop(user: User): void {
    for (const name of this.#namesOf.get(user) ?? []) {
      this.#stale.add(name);
      const uses = this.#usesByName.get(name);
      uses?.delete(user);
      if (uses?.size === 0) this.#usesByName.delete(name);
    }
    this.#namesOf.delete(user);
  }

  /** What changed since this was called last, by names. What is equal is the same object. */
  settle(): SlotChanges {
    const upserts: Slot[] = [];
    const removals: string[] = [];
    for (const name of [...this.#stale].sort()) {
      const before = this.#told.get(name);
      const [first, ...others] = this.#usesByName.get(name)?.values() ?? [];
      if (first) {
        const now = slotOf(first.draft, [...first.allowsAll, ...others.flatMap(({ allowsAll }) => [...allowsAll])]);
        if (equal(before, now)) continue;
        this.#told.set(name, now);
        upserts.push(now);
      } else if (before) {
        this.#told.delete(name);
        removals.push(name);
      }
    }
    this.#stale.clear();
    return { upserts, removals };
  }
}
