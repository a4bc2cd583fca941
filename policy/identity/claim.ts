import { formatPrefix, type Prefix } from '../addresses/prefix.ts';
import type { Member } from './identity-groups.ts';

/** That addresses are somebody's. */
export interface Claim {
  readonly prefix: Prefix;
  readonly member: Member;
}

/** Whose claim counts where several have the same addresses. */
export const CLAIM_ORDER = { pod: 0, apiServer: 1, node: 2, podNetwork: 3, block: 4 } as const;

export type Claimant = keyof typeof CLAIM_ORDER;

interface Holder {
  readonly memberKey: string;
  readonly order: string;
}

/** Who has which addresses. Of several claimants of the same the first by kind counts, then the first by name. */
export class Claims {
  readonly #holders = new Map<string, Holder[]>();
  readonly #byOwner = new Map<string, ReadonlyMap<string, string>>();
  readonly #byMember = new Map<string, string>();
  readonly #owners = new Map<Claimant, Set<string>>();
  readonly #touched = new Set<string>();

  /**
   * What an owner claims from now on.
   * @returns the keys of its members, by prefix, and those that it no longer has
   */
  set(
    kind: Claimant,
    owner: string,
    prefixes: readonly Prefix[],
  ): { readonly members: ReadonlyMap<string, string>; readonly gone: readonly string[] } {
    const before = this.#byOwner.get(owner) ?? new Map<string, string>();
    const members = new Map(prefixes.map((prefix) => [formatPrefix(prefix), this.memberKey(owner, prefix)]));
    const gone: string[] = [];
    for (const [prefix, memberKey] of before) {
      if (members.has(prefix)) continue;
      gone.push(memberKey);
      this.#byMember.delete(memberKey);
      this.#release(prefix, memberKey);
    }
    for (const [prefix, memberKey] of members) {
      if (before.has(prefix)) continue;
      this.#byMember.set(memberKey, prefix);
      this.#hold(prefix, { memberKey, order: `${CLAIM_ORDER[kind]} ${memberKey}` });
    }
    const owners = this.#owners.get(kind) ?? new Set<string>();
    this.#owners.set(kind, owners);
    if (members.size > 0) {
      this.#byOwner.set(owner, members);
      owners.add(owner);
    } else {
      this.#byOwner.delete(owner);
      owners.delete(owner);
    }
    return { members, gone };
  }

  memberKey(owner: string, prefix: Prefix): string {
    return `${owner} ${formatPrefix(prefix)}`;
  }

  /** Those that claim something. */
  ownersOf(kind: Claimant): readonly string[] {
    return [...(this.#owners.get(kind) ?? [])];
  }

  /** The member that has a prefix. */
  holder(prefix: string): string | undefined {
    return this.#holders.get(prefix)?.[0]?.memberKey;
  }

  /** Its holder may have another identity. */
  touchMember(memberKey: string): void {
    const prefix = this.#byMember.get(memberKey);
    if (prefix !== undefined) this.#touched.add(prefix);
  }

  /** Prefixes whose identity may be another one since this was asked last. */
  takeTouched(): ReadonlySet<string> {
    const touched = new Set(this.#touched);
    this.#touched.clear();
    return touched;
  }

  #hold(prefix: string, holder: Holder): void {
    const holders = [...(this.#holders.get(prefix) ?? []), holder];
    this.#holders.set(
      prefix,
      holders.sort((a, b) => (a.order < b.order ? -1 : 1)),
    );
    this.#touched.add(prefix);
  }

  #release(prefix: string, memberKey: string): void {
    const holders = (this.#holders.get(prefix) ?? []).filter((holder) => holder.memberKey !== memberKey);
    if (holders.length > 0) this.#holders.set(prefix, holders);
    else this.#holders.delete(prefix);
    this.#touched.add(prefix);
  }
}
