import type { KubeObject, ObjectBatch, ObjectSource } from '../../kube/index.ts';

/** Kinds that nothing but policy is made of. */
const OF_POLICY: ReadonlySet<string> = new Set<KubeObject['kind']>([
  'Pod',
  'Namespace',
  'NetworkPolicy',
  'CiliumNetworkPolicy',
  'CiliumClusterwideNetworkPolicy',
  'SluiceIdentity',
]);

/** Hands each batch to who enforces policy, and on to its reader what of it is not for policy alone. */
export class SplitSource implements ObjectSource {
  readonly #source: ObjectSource;
  readonly #take: (batch: ObjectBatch) => void;

  constructor(source: ObjectSource, take: (batch: ObjectBatch) => void) {
    this.#source = source;
    this.#take = take;
  }

  async *watch(signal: AbortSignal): AsyncGenerator<ObjectBatch, void, undefined> {
    for await (const batch of this.#source.watch(signal)) {
      this.#take(batch);
      const upserts = batch.upserts.filter(({ kind }) => !OF_POLICY.has(kind));
      const removals = batch.removals.filter(({ kind }) => !OF_POLICY.has(kind));
      // An empty one too: it may be what somebody waits for.
      yield { ...batch, upserts, removals };
    }
  }

  locate(...place: Parameters<ObjectSource['locate']>): ReturnType<ObjectSource['locate']> {
    return this.#source.locate(...place);
  }

  want(needed: readonly string[], dropped: readonly string[]): boolean {
    return this.#source.want(needed, dropped);
  }

  wantNodes(wanted: boolean): boolean {
    return this.#source.wantNodes(wanted);
  }
}
