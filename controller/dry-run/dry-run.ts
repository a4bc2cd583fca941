import type { EnvoyConfig } from '../../envoy-config/index.ts';
import { objectKey } from '../../model/index.ts';
import { findRefused, type Objection } from './find-refused.ts';
import { bootstrapOf, type Unit, unitsOf } from './units.ts';

/** What has to be tried before it is served. */
export interface Trial {
  readonly config: EnvoyConfig;
}

/** What came of one: nothing to say against it, something, or nobody to say it. */
export type Verdict =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly unit: Unit; readonly words: string }
  | { readonly kind: 'untried'; readonly reason: string };

export interface Concluded<T extends Trial> {
  readonly trial: T;
  readonly verdict: Verdict;
}

export interface DryRunOptions<T extends Trial> {
  /** An encoded bootstrap, as Envoys of nodes have it. */
  readonly bootstrap: Uint8Array;
  /** @throws what ends a trial without an outcome */
  readonly objectionTo: (bootstrap: Uint8Array, signal: AbortSignal) => Promise<Objection>;
  /** Told of all that were tried together at once. */
  readonly onConcluded: (concluded: readonly Concluded<T>[]) => void;
}

/** So often is an Envoy asked about what is tried together; each refused config takes some. */
const MAX_RUNS = 64;
/** So much is known to be taken, and need not be tried again. */
const MAX_KNOWN = 50_000;

/** Has configs tried by a real Envoy: all that wait at once, one Envoy at a time, and each resource only where its like was never taken. */
export class DryRun<T extends Trial> implements AsyncDisposable {
  readonly #options: DryRunOptions<T>;
  readonly #taken = new Set<string>();
  readonly #ended = new AbortController();
  #runs = 0;
  #waiting: T[] = [];
  #open = 0;
  #running: Promise<void> | undefined;

  constructor(options: DryRunOptions<T>) {
    this.#options = options;
  }

  /** How many are not concluded yet. */
  get open(): number {
    return this.#open;
  }

  /** What is known to be taken is concluded before this returns. */
  take(trials: readonly T[]): void {
    this.#open += trials.length;
    const known = trials.filter(({ config }) => unitsOf(config).every((unit) => this.#taken.has(keyOf(unit))));
    if (known.length > 0) this.#conclude(known.map((trial) => ({ trial, verdict: { kind: 'taken' } })));
    // What waits of an object that was written again meanwhile is of no interest any more.
    const objects = new Set(trials.map(({ config }) => objectKey(config.object)));
    const still = this.#waiting.filter(({ config }) => !objects.has(objectKey(config.object)));
    this.#open -= this.#waiting.length - still.length;
    this.#waiting = [...still, ...trials.filter((trial) => !known.includes(trial))];
    if (this.#waiting.length > 0) this.#running ??= this.#run();
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting = [];
    this.#ended.abort();
    await this.idle();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      this.#runs = 0;
      const concluded = await this.#try(batch);
      if (!this.#ended.signal.aborted) this.#conclude(concluded);
    }
    this.#running = undefined;
  }

  /** What can stand in one bootstrap, where all names differ; the rest waits on. */
  #nextBatch(): readonly T[] {
    const names = new Set<string>();
    const isApart = ({ config }: T) => {
      const own = unitsOf(config).map(({ typeUrl, name }) => `${typeUrl} ${name}`);
      if (own.some((name) => names.has(name))) return false;
      for (const name of own) names.add(name);
      return true;
    };
    const { batch = [], later = [] } = Object.groupBy(this.#waiting, (trial) => (isApart(trial) ? 'batch' : 'later'));
    this.#waiting = later;
    return batch;
  }

  #conclude(concluded: readonly Concluded<T>[]): void {
    this.#open -= concluded.length;
    this.#options.onConcluded(concluded);
  }

  async #try(batch: readonly T[]): Promise<readonly Concluded<T>[]> {
    const concluded: Concluded<T>[] = [];
    let left = batch.map((trial) => ({ trial, units: this.#unitsToTry(trial) }));
    try {
      while (left.length > 0) {
        const found = await this.#firstRefused(left);
        if (!found) break;
        concluded.push({ trial: found.trial, verdict: found.verdict });
        left = left.filter(({ trial }) => trial !== found.trial);
      }
      for (const { units } of left) this.#remember(units);
      return [...concluded, ...left.map(({ trial }) => ({ trial, verdict: { kind: 'taken' } as const }))];
    } catch (error) {
      const verdict = { kind: 'untried', reason: error instanceof Error ? error.message : String(error) } as const;
      return [...concluded, ...left.map(({ trial }) => ({ trial, verdict }))];
    }
  }

  /** What other resources name has to be there, known or not. */
  #unitsToTry({ config }: Trial): readonly Unit[] {
    const units = unitsOf(config);
    const isNew = (unit: Unit) => !this.#taken.has(keyOf(unit));
    const lastNew = units.findLastIndex(isNew);
    return units.slice(0, lastNew + 1);
  }

  async #firstRefused(
    left: readonly { readonly trial: T; readonly units: readonly Unit[] }[],
  ): Promise<{ readonly trial: T; readonly verdict: Verdict } | undefined> {
    const items = left.flatMap(({ trial, units }) => units.map((unit) => ({ trial, unit })));
    const objectionTo = async (some: readonly { readonly unit: Unit }[]) => this.#objectionTo(some.map(({ unit }) => unit));
    const words = await objectionTo(items);
    const first = words === undefined ? undefined : await findRefused(items, words, objectionTo);
    if (!first) return undefined;
    const { trial } = first.item;
    // Two may only not go together, which is for others to tell.
    const own = items.filter((item) => item.trial === trial);
    const alone = own.length === items.length ? first.words : await objectionTo(own);
    if (alone === undefined) return { trial, verdict: { kind: 'taken' } };
    const found = await findRefused(own, alone, objectionTo);
    return { trial, verdict: { kind: 'refused', unit: found?.item.unit ?? first.item.unit, words: found?.words ?? alone } };
  }

  async #objectionTo(units: readonly Unit[]): Promise<Objection> {
    if (++this.#runs > MAX_RUNS) throw new Error('too many others were refused at once');
    return await this.#options.objectionTo(bootstrapOf(this.#options.bootstrap, units), this.#ended.signal);
  }

  #remember(units: readonly Unit[]): void {
    if (this.#taken.size > MAX_KNOWN) this.#taken.clear();
    for (const unit of units) this.#taken.add(keyOf(unit));
  }
}

/** By name, too, since Envoy knows what is named, though seldom. */
function keyOf({ typeUrl, name, version }: Unit): string {
  return `${typeUrl} ${name} ${version}`;
}
