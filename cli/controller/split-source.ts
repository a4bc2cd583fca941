import { type KubeObject, type ObjectBatch, type ObjectSource, refOf } from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';

/** Kinds that nothing but policy is made of. */
const OF_POLICY: ReadonlySet<string> = new Set<KubeObject['kind']>([
  'Pod',
  'Namespace',
  'NetworkPolicy',
  'CiliumNetworkPolicy',
  'CiliumClusterwideNetworkPolicy',
  'SluiceIdentity',
]);

/** Who enforces policy, as far as objects go. */
export interface PolicyReader {
  /** @returns which Secrets it came to need, and needs no longer, by `namespace/name` */
  take(batch: ObjectBatch): { readonly needed: readonly string[]; readonly dropped: readonly string[] };
  /** Told when all that it needs have been looked for, and were in the batches up to the last if they exist. */
  settleSecrets(): void;
}

/** Hands each batch to who enforces policy, and on to its reader what of it is not for policy alone. */
export class SplitSource implements ObjectSource {
  readonly #source: ObjectSource;
  readonly #policy: PolicyReader;
  /** Secrets that policy needs, and those that the reader does. */
  readonly #ofPolicy = new Set<string>();
  readonly #ofReader = new Set<string>();
  /** Keys of those that are for policy alone, by kind. */
  readonly #objects = new Map<string, Set<string>>();

  constructor(source: ObjectSource, policy: PolicyReader) {
    this.#source = source;
    this.#policy = policy;
  }

  async *watch(signal: AbortSignal): AsyncGenerator<ObjectBatch, void, undefined> {
    for await (const batch of this.#source.watch(signal)) {
      this.#note(batch);
      const { needed, dropped } = this.#policy.take(batch);
      for (const name of needed) this.#ofPolicy.add(name);
      for (const name of dropped) this.#ofPolicy.delete(name);
      const unneeded = dropped.filter((name) => !this.#ofReader.has(name));
      if (this.#source.want(needed, unneeded)) this.#policy.settleSecrets();
      const upserts = batch.upserts.filter(({ kind }) => !OF_POLICY.has(kind));
      const removals = batch.removals.filter(({ kind }) => !OF_POLICY.has(kind));
      // An empty one too: it may be what somebody waits for.
      yield { ...batch, upserts, removals, taken: countKinds(batch.upserts.filter(({ kind }) => OF_POLICY.has(kind))) };
    }
  }

  /** How many there are of those that are for policy alone, by kind. */
  countObjects(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#objects].map(([kind, keys]): [string, number] => [kind, keys.size]).sort());
  }

  locate(...place: Parameters<ObjectSource['locate']>): ReturnType<ObjectSource['locate']> {
    return this.#source.locate(...place);
  }

  want(needed: readonly string[], dropped: readonly string[]): boolean {
    for (const name of needed) this.#ofReader.add(name);
    for (const name of dropped) this.#ofReader.delete(name);
    return this.#source.want(
      needed,
      dropped.filter((name) => !this.#ofPolicy.has(name)),
    );
  }

  wantNodes(wanted: boolean): boolean {
    return this.#source.wantNodes(wanted);
  }

  #note({ upserts, removals }: ObjectBatch): void {
    for (const object of upserts) if (OF_POLICY.has(object.kind)) this.#keysOf(object.kind).add(objectKey(refOf(object)));
    for (const ref of removals) this.#objects.get(ref.kind)?.delete(objectKey(ref));
  }

  #keysOf(kind: string): Set<string> {
    const keys = this.#objects.get(kind) ?? new Set<string>();
    this.#objects.set(kind, keys);
    return keys;
  }
}

function countKinds(objects: readonly KubeObject[]): ReadonlyMap<KubeObject['kind'], number> {
  const counts = new Map<KubeObject['kind'], number>();
  for (const { kind } of objects) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
