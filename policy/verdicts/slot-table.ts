import { equal } from '../../collection/index.ts';
import type { Slot } from '../../model/index.ts';
import { isConflict, type SlotDraft, slotOf } from './slot-draft.ts';
import type { SlotUses } from './slot-uses.ts';

export interface SlotChanges {
  readonly upserts: readonly Slot[];
  /** Their names. */
  readonly removals: readonly string[];
}

/** Which slots there are: those that a verdict of any user names. */
export class SlotTable<User> {
  readonly #usesByName = new Map<string, Map<User, SlotUses>>();
  readonly #usesOf = new Map<User, SlotUses>();
  readonly #told = new Map<string, Slot>();
  readonly #stale = new Set<string>();

  /** As of the last time that all was settled. */
  find(name: string): Slot | undefined {
    return this.#told.get(name);
  }

  /** Those in which rules of several kinds meet, by names. */
  conflicts(): SlotDraft[] {
    const drafts = [...this.#usesByName].flatMap(([name, users]) => [...users.values()].slice(0, 1).map((uses) => uses.draft(name)));
    const found = drafts.filter((draft) => draft !== undefined && isConflict(draft));
    return found.flatMap((draft) => draft ?? []).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Takes what holds for a user now. */
  use(user: User, uses: SlotUses): void {
    this.drop(user);
    this.#usesOf.set(user, uses);
    for (const name of uses.names) {
      this.#stale.add(name);
      const users = this.#usesByName.get(name) ?? new Map<User, SlotUses>();
      this.#usesByName.set(name, users.set(user, uses));
    }
  }

  drop(user: User): void {
    for (const name of this.#usesOf.get(user)?.names ?? []) {
      this.#stale.add(name);
      const users = this.#usesByName.get(name);
      users?.delete(user);
      if (users?.size === 0) this.#usesByName.delete(name);
    }
    this.#usesOf.delete(user);
  }

  /** What changed since this was called last, by names. What is equal is the same object. */
  settle(): SlotChanges {
    const upserts: Slot[] = [];
    const removals: string[] = [];
    for (const name of [...this.#stale].sort()) {
      const before = this.#told.get(name);
      const users = [...(this.#usesByName.get(name)?.values() ?? [])];
      const draft = users[0]?.draft(name);
      if (draft) {
        const now = slotOf(
          draft,
          users.flatMap((uses) => uses.allowingAll(name)),
        );
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
