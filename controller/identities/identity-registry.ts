import type { ApplyAction, DeleteAction, SluiceIdentity } from '../../kube/index.ts';
import { FIRST_CLUSTER_IDENTITY, type Identity, LAST_CLUSTER_IDENTITY, LOCAL_SCOPE } from '../../model/index.ts';
import type { IdentityAllocator, IdentityScope } from '../../policy/index.ts';

/** How long a number is kept that nothing bears: flows that are told of later still do, and pods come back. */
const UNUSED_MS = 15 * 60_000;

export interface IdentityRegistryOptions {
  /** The time, in milliseconds. */
  readonly now: () => number;
  readonly unusedMs?: number;
}

interface NumberRange {
  readonly first: Identity;
  readonly last: Identity;
  /** After the highest that was there, or the last that was proposed. */
  next: Identity;
}

/** Labels that are borne by something. */
interface Wanted {
  readonly labels: readonly string[];
  readonly scope: IdentityScope;
  /** What this process takes the number to be, for as long as the labels are wanted; undefined while there is none. */
  held: Identity | undefined;
}

interface Known {
  readonly object: SluiceIdentity;
  readonly key: string;
}

/**
 * Which number stands for which labels, by objects of the cluster, so that it outlives every process and all replicas agree. Replicas
 * read the objects and say what they lack; the one that leads writes them. Should two leaders ever have given the same labels two numbers,
 * both stay for as long as the labels are borne, since no process may see what it goes by given to others.
 */
export class IdentityRegistry implements IdentityAllocator {
  readonly #options: IdentityRegistryOptions;
  readonly #known = new Map<Identity, Known>();
  /** Numbers of the same labels, ascending. */
  readonly #numbers = new Map<string, Identity[]>();
  readonly #wanted = new Map<string, Wanted>();
  /** Those of the wanted that no object has. */
  readonly #lacking = new Set<string>();
  readonly #unusedSince = new Map<Identity, number>();
  /** What was proposed and is not known to be there: asking again gives the same number. */
  readonly #proposed = new Map<string, Identity>();
  readonly #taken = new Map<Identity, string>();
  readonly #ranges: Readonly<Record<IdentityScope, NumberRange>> = {
    cluster: { first: FIRST_CLUSTER_IDENTITY, last: LAST_CLUSTER_IDENTITY, next: FIRST_CLUSTER_IDENTITY },
    local: { first: LOCAL_SCOPE + 1, last: LOCAL_SCOPE + 0xff_ffff, next: LOCAL_SCOPE + 1 },
  };

  constructor(options: IdentityRegistryOptions) {
    this.#options = options;
  }

  put(object: SluiceIdentity): void {
    const identity = Number(object.metadata.name);
    this.delete(identity);
    this.#withdraw(this.#taken.get(identity));
    this.#skip(identity);
    const key = keyOf(object.spec.labels);
    this.#known.set(identity, { object, key });
    const numbers = [...(this.#numbers.get(key) ?? []), identity].sort((a, b) => a - b);
    this.#numbers.set(key, numbers);
    this.#withdraw(key);
    this.#review(key);
  }

  /** The object is gone. Labels that are borne keep the number, and are to have an object of it again. */
  delete(identity: Identity): void {
    const known = this.#known.get(identity);
    if (!known) return;
    this.#known.delete(identity);
    this.#unusedSince.delete(identity);
    const left = (this.#numbers.get(known.key) ?? []).filter((number) => number !== identity);
    if (left.length > 0) this.#numbers.set(known.key, left);
    else this.#numbers.delete(known.key);
    this.#review(known.key);
  }

  allocate(labels: readonly string[], scope: IdentityScope): Identity | undefined {
    const key = keyOf(labels);
    const wanted = this.#wanted.get(key) ?? { labels, scope, held: undefined };
    this.#wanted.set(key, wanted);
    this.#review(key);
    wanted.held ??= this.#numbers.get(key)?.[0];
    return wanted.held;
  }

  release(identity: Identity): void {
    const key = this.#known.get(identity)?.key ?? this.#keyHolding(identity);
    if (key === undefined || this.#wanted.get(key)?.held !== identity) return;
    this.#wanted.delete(key);
    this.#withdraw(key);
    this.#review(key);
  }

  /** Forgets who was told that there is no number, before all that still lack one ask again. */
  renounceLacking(): void {
    for (const key of [...this.#lacking]) {
      if (this.#wanted.get(key)?.held !== undefined) continue;
      this.#wanted.delete(key);
      this.#review(key);
    }
  }

  /** What the replica that leads is to do now: numbers that are lacking, and those that nothing has borne for long. */
  actions(): (ApplyAction | DeleteAction)[] {
    const actions: (ApplyAction | DeleteAction)[] = [];
    for (const key of this.#lacking) actions.push(...this.#create(key));
    const { now, unusedMs = UNUSED_MS } = this.#options;
    const before = now() - unusedMs;
    for (const [identity, since] of this.#unusedSince) if (since <= before) actions.push(...this.#remove(identity));
    return actions;
  }

  #create(key: string): ApplyAction[] {
    const wanted = this.#wanted.get(key);
    if (!wanted) return [];
    const { labels, scope, held = this.#proposed.get(key) ?? this.#choose(this.#ranges[scope]) } = wanted;
    if (held === undefined) return [];
    this.#proposed.set(key, held);
    this.#taken.set(held, key);
    const name = String(held);
    const manifest = { apiVersion: 'sluice.io/v1alpha1', kind: 'SluiceIdentity', metadata: { name }, spec: { labels } };
    return [{ kind: 'apply', ref: { kind: 'SluiceIdentity', namespace: '', name }, manifest }];
  }

  #remove(identity: Identity): DeleteAction[] {
    const known = this.#known.get(identity);
    const { uid } = known?.object.metadata ?? {};
    if (!known || uid === undefined) return [];
    const { kind, apiVersion, metadata } = known.object;
    return [{ kind: 'delete', ref: { kind, namespace: '', name: metadata.name }, apiVersion, uid }];
  }

  /** One after the other, so that a number is not used again soon. */
  #choose(range: NumberRange): Identity | undefined {
    for (let left = range.last - range.first + 1; left > 0; left--) {
      const identity = range.next;
      range.next = after(identity, range);
      if (!this.#known.has(identity) && !this.#taken.has(identity)) return identity;
    }
    return undefined;
  }

  #skip(identity: Identity): void {
    const range = this.#ranges[identity < LOCAL_SCOPE ? 'cluster' : 'local'];
    if (identity >= range.next) range.next = after(identity, range);
  }

  /** The number was made, by whomever and for whatever, or is not needed. */
  #withdraw(key: string | undefined): void {
    const identity = key === undefined ? undefined : this.#proposed.get(key);
    if (key === undefined || identity === undefined) return;
    this.#proposed.delete(key);
    this.#taken.delete(identity);
  }

  /** Only where its object was taken away, which nobody but a person does. */
  #keyHolding(identity: Identity): string | undefined {
    for (const [key, { held }] of this.#wanted) if (held === identity) return key;
    return undefined;
  }

  #review(key: string): void {
    const wanted = this.#wanted.get(key);
    const numbers = this.#numbers.get(key) ?? [];
    const isThere = wanted?.held === undefined ? numbers.length > 0 : numbers.includes(wanted.held);
    if (wanted && !isThere) this.#lacking.add(key);
    else this.#lacking.delete(key);
    for (const identity of numbers) {
      if (wanted) this.#unusedSince.delete(identity);
      else if (!this.#unusedSince.has(identity)) this.#unusedSince.set(identity, this.#options.now());
    }
  }
}

function after(identity: Identity, { first, last }: NumberRange): Identity {
  return identity >= last ? first : identity + 1;
}

function keyOf(labels: readonly string[]): string {
  return labels.join('\0');
}
