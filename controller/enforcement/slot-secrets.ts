import type { Secret } from '../../kube/index.ts';
import type { SecretRef } from '../../l7-filters/envoy/index.ts';
import type { ObjectRef, Slot } from '../../model/index.ts';

/** Which Secrets came to be named by rules, and which are no longer, by `namespace/name`. */
export interface SecretNeeds {
  readonly needed: readonly string[];
  readonly dropped: readonly string[];
}

/** The Secrets that rules of slots name, and which slots those are. */
export class SlotSecrets {
  readonly #secrets = new Map<string, Secret>();
  readonly #slotsOf = new Map<string, Set<string>>();
  readonly #namesOf = new Map<string, ReadonlySet<string>>();
  readonly #told = new Set<string>();
  /** Slots whose Secrets have changed. */
  readonly #stale = new Set<string>();

  put(secret: Secret): void {
    const name = nameOf(secret.metadata);
    this.#secrets.set(name, secret);
    this.#touch(name);
  }

  delete(ref: ObjectRef): void {
    if (this.#secrets.delete(nameOf(ref))) this.#touch(nameOf(ref));
  }

  /** Takes in which Secrets a slot names now; none where it is gone (undefined). */
  setSlot(slotName: string, slot: Slot | undefined): void {
    for (const name of this.#namesOf.get(slotName) ?? []) this.#slotsOf.get(name)?.delete(slotName);
    const names = new Set(slot ? secretsIn(slot).map(nameOf) : []);
    if (names.size > 0) this.#namesOf.set(slotName, names);
    else this.#namesOf.delete(slotName);
    for (const name of names) this.#slotsOf.set(name, (this.#slotsOf.get(name) ?? new Set()).add(slotName));
  }

  hasSecrets(slotName: string): boolean {
    return this.#namesOf.has(slotName);
  }

  /** The slots whose Secrets have changed since this was called last. */
  takeStale(): string[] {
    const stale = [...this.#stale];
    this.#stale.clear();
    return stale;
  }

  /** What is different since this was called last. */
  takeNeeds(): SecretNeeds {
    const isNeeded = (name: string) => (this.#slotsOf.get(name)?.size ?? 0) > 0;
    const needed = [...this.#slotsOf.keys()].filter((name) => isNeeded(name) && !this.#told.has(name));
    const dropped = [...this.#told].filter((name) => !isNeeded(name));
    for (const name of needed) this.#told.add(name);
    for (const name of dropped) {
      this.#told.delete(name);
      this.#slotsOf.delete(name);
    }
    return { needed, dropped };
  }

  /** Without a key, a Secret stands for its only value. */
  readonly valueOf = (ref: SecretRef): Uint8Array | undefined => {
    const data = this.#secrets.get(nameOf(ref))?.data ?? {};
    const keys = ref.key === '' ? Object.keys(data) : [ref.key];
    const [key, ...others] = keys;
    const value = key === undefined || others.length > 0 ? undefined : data[key];
    return value && Buffer.from(value.reveal(), 'utf8');
  };

  #touch(name: string): void {
    for (const slot of this.#slotsOf.get(name) ?? []) this.#stale.add(slot);
  }
}

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function secretsIn({ rules }: Slot): SecretRef[] {
  if (rules.kind !== 'http') return [];
  const values = rules.rules.flatMap(({ headers }) => headers).map(({ value }) => value);
  return values.filter((value) => value?.kind === 'secret');
}
