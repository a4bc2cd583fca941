import type { ApplyAction, DeleteAction, SluiceIdentity } from '../../kube/index.ts';
import { FIRST_CLUSTER_IDENTITY, type Identity, type IdentityEntry, LAST_CLUSTER_IDENTITY, LOCAL_SCOPE } from '../../model/index.ts';

/** How long a number is kept that nothing has: flows that are told of later still have it, and pods come back. */
const UNUSED_MS = 15 * 60_000;

export interface IdentityRegistryOptions {
  /** The time, in milliseconds. */
  readonly now: () => number;
  readonly unusedMs?: number;
}

/** Where numbers of a scope are, and where they end. */
interface Scope {
  readonly first: Identity;
  readonly last: Identity;
}

const CLUSTER: Scope = { first: FIRST_CLUSTER_IDENTITY, last: LAST_CLUSTER_IDENTITY };
const LOCAL: Scope = { first: LOCAL_SCOPE + 1, last: LOCAL_SCOPE + 0xff_ffff };

interface Known {
  readonly object: SluiceIdentity;
  readonly key: string;
}

/**
 * Which number stands for which labels, by objects of the cluster, so that it outlives every process and all replicas agree. Replicas
 * read the objects and say what they lack; the one that leads writes them. Of two numbers for the same labels, as two leaders could
 * make at a moment, the lower one counts and the other goes.
 */
export class IdentityRegistry {
  readonly #options: IdentityRegistryOptions;
  readonly #known = new Map<Identity, Known>();
  /** Numbers of the same labels, ascending. */
  readonly #numbers = new Map<string, Identity[]>();
  readonly #wanted = new Map<string, readonly string[]>();
  readonly #unusedSince = new Map<Identity, number>();
  /** Those of the wanted that have no number. */
  readonly #lacking = new Set<string>();
  /** What was proposed and is not known to be there: asking again gives the same number. */
  readonly #proposed = new Map<string, Identity>();
  readonly #taken = new Map<Identity, string>();
  /** After the highest that was there, or the last that was proposed. */
  readonly #next = new Map<Scope, Identity>();

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
    this.#numbers.set(
      key,
      [...(this.#numbers.get(key) ?? []), identity].sort((a, b) => a - b),
    );
    this.#noteUse(key);
  }

  delete(identity: Identity): void {
    const known = this.#known.get(identity);
    if (!known) return;
    this.#known.delete(identity);
    this.#unusedSince.delete(identity);
    const left = (this.#numbers.get(known.key) ?? []).filter((number) => number !== identity);
    if (left.length > 0) this.#numbers.set(known.key, left);
    else this.#numbers.delete(known.key);
    this.#noteUse(known.key);
  }

  /** @param labels sorted. @returns undefined while no number is there */
  identityOf(labels: readonly string[]): Identity | undefined {
    return this.#numbers.get(keyOf(labels))?.[0];
  }

  entries(): IdentityEntry[] {
    return [...this.#numbers.values()].flatMap(([identity = 0]) => {
      const known = this.#known.get(identity);
      return known ? [{ identity, labels: known.object.spec.labels }] : [];
    });
  }

  /** From now on these labels, sorted, are those of something. */
  want(labels: readonly string[]): void {
    const key = keyOf(labels);
    this.#wanted.set(key, labels);
    this.#noteUse(key);
  }

  /** Nothing has these labels any longer. */
  release(labels: readonly string[]): void {
    const key = keyOf(labels);
    this.#wanted.delete(key);
    this.#withdraw(key);
    this.#noteUse(key);
  }

  /** What the replica that leads is to do now: numbers that are wanted, and those that nothing has had for long. */
  actions(): (ApplyAction | DeleteAction)[] {
    const actions: (ApplyAction | DeleteAction)[] = [];
    for (const key of this.#lacking) actions.push(...this.#create(key, this.#wanted.get(key) ?? []));
    const { now, unusedMs = UNUSED_MS } = this.#options;
    const before = now() - unusedMs;
    for (const [identity, since] of this.#unusedSince) if (since <= before) actions.push(...this.#remove(identity));
    return actions;
  }

  #create(key: string, labels: readonly string[]): ApplyAction[] {
    const scope = labels.some((label) => label.startsWith('cidr:')) ? LOCAL : CLUSTER;
    const identity = this.#proposed.get(key) ?? this.#choose(scope);
    if (identity === undefined) return [];
    this.#proposed.set(key, identity);
    this.#taken.set(identity, key);
    const name = String(identity);
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
  #choose(scope: Scope): Identity | undefined {
    const isFree = (identity: Identity) => !this.#known.has(identity) && !this.#taken.has(identity);
    for (let left = scope.last - scope.first + 1; left > 0; left--) {
      const identity = this.#next.get(scope) ?? scope.first;
      this.#next.set(scope, after(identity, scope));
      if (isFree(identity)) return identity;
    }
    return undefined;
  }

  #skip(identity: Identity): void {
    const scope = identity < LOCAL_SCOPE ? CLUSTER : LOCAL;
    if (identity >= (this.#next.get(scope) ?? scope.first)) this.#next.set(scope, after(identity, scope));
  }

  /** The number was made, by whomever and for whatever, or is not needed. */
  #withdraw(key: string | undefined): void {
    const identity = key === undefined ? undefined : this.#proposed.get(key);
    if (key === undefined || identity === undefined) return;
    this.#proposed.delete(key);
    this.#taken.delete(identity);
  }

  #noteUse(key: string): void {
    const isWanted = this.#wanted.has(key);
    const [used, ...doubles] = this.#numbers.get(key) ?? [];
    if (isWanted && used === undefined) this.#lacking.add(key);
    else this.#lacking.delete(key);
    if (used === undefined) return;
    for (const identity of isWanted ? doubles : [used, ...doubles]) {
      if (!this.#unusedSince.has(identity)) this.#unusedSince.set(identity, this.#options.now());
    }
    if (isWanted) this.#unusedSince.delete(used);
  }
}

function after(identity: Identity, { first, last }: Scope): Identity {
  return identity >= last ? first : identity + 1;
}

function keyOf(labels: readonly string[]): string {
  return labels.join('\0');
}
