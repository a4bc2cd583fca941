import { FIRST_CLUSTER_IDENTITY, type Identity, type IdentityEntry, LAST_CLUSTER_IDENTITY, LOCAL_SCOPE } from '../../model/index.ts';

/** `cluster` for what stands for labels of pods, `local` for what stands for addresses. */
export type IdentityScope = 'cluster' | 'local';

/** Gives numbers to labels, the same for the same labels wherever it is asked. */
export interface IdentityAllocator {
  /** Undefined while there is none: not decided yet by whoever decides, or none left. It may be asked again. */
  allocate(labels: readonly string[], scope: IdentityScope): Identity | undefined;
  /** Nothing bears the number any more. It may be given to other labels, preferably late. */
  release(identity: Identity): void;
}

const LAST_LOCAL_IDENTITY = LOCAL_SCOPE | 0xff_ffff;

/** Numbers kept in memory. Labels that come back have their number again, unless it had to be given to others. */
export class MemoryIdentityAllocator implements IdentityAllocator {
  readonly #byLabels = new Map<string, Identity>();
  readonly #labels = new Map<Identity, string>();
  /** In the order in which they were released. */
  readonly #released = new Set<Identity>();
  readonly #ranges: Readonly<Record<IdentityScope, NumberRange>>;

  /** @param lastClusterIdentity how many numbers there are for labels of pods */
  constructor(lastClusterIdentity: Identity = LAST_CLUSTER_IDENTITY) {
    this.#ranges = {
      cluster: { first: FIRST_CLUSTER_IDENTITY, last: lastClusterIdentity, next: FIRST_CLUSTER_IDENTITY },
      local: { first: LOCAL_SCOPE | 1, last: LAST_LOCAL_IDENTITY, next: LOCAL_SCOPE | 1 },
    };
  }

  /** Takes over numbers that were given before. Of several with the same labels the first counts. */
  restore(entries: Iterable<IdentityEntry>): void {
    for (const { identity, labels } of entries) {
      const key = labelsKey(labels);
      if (this.#byLabels.has(key) || this.#labels.has(identity)) continue;
      this.#byLabels.set(key, identity);
      this.#labels.set(identity, key);
      this.#released.add(identity);
    }
  }

  allocate(labels: readonly string[], scope: IdentityScope): Identity | undefined {
    const key = labelsKey(labels);
    const known = this.#byLabels.get(key);
    if (known !== undefined) {
      this.#released.delete(known);
      return known;
    }
    const identity = this.#unused(this.#ranges[scope]) ?? this.#reuse(this.#ranges[scope]);
    if (identity === undefined) return undefined;
    this.#byLabels.set(key, identity);
    this.#labels.set(identity, key);
    return identity;
  }

  release(identity: Identity): void {
    if (this.#labels.has(identity)) this.#released.add(identity);
  }

  #unused(range: NumberRange): Identity | undefined {
    while (range.next <= range.last) {
      const identity = range.next++;
      if (!this.#labels.has(identity)) return identity;
    }
    return undefined;
  }

  #reuse({ first, last }: NumberRange): Identity | undefined {
    for (const identity of this.#released) {
      if (identity < first || identity > last) continue;
      this.#released.delete(identity);
      this.#byLabels.delete(this.#labels.get(identity) ?? '');
      return identity;
    }
    return undefined;
  }
}

interface NumberRange {
  readonly first: Identity;
  readonly last: Identity;
  next: Identity;
}

function labelsKey(labels: readonly string[]): string {
  return JSON.stringify(labels);
}
