import type { ObjectBatch, ObjectSource } from '../kube/index.ts';
import { compareDiagnostics, type Diagnostic } from '../model/index.ts';
import type { SnapshotCache } from '../xds-server/serve/cache.ts';
import { XdsError } from '../xds-server/serve/error.ts';
import type { NodeViews } from '../xds-server/serve/node-views.ts';
import type { Outcome } from '../xds-server/serve/outcome.ts';
import type { ResourceChange, ResourceName } from '../xds-server/serve/resource.ts';
import { SLOT_TYPE } from '../xds-server/serve/types.ts';
import { ROUTES } from '../xds-server/translate/types.ts';
import { type Concluded, DryRun, type DryRunOptions } from './dry-run/dry-run.ts';
import { HeldChanges } from './held-changes.ts';
import { LateRemovals } from './late-removals.ts';
import { locateDiagnostic } from './locate.ts';
import { NodeGrants } from './node-grants.ts';
import type { ConfigTrial } from './pipeline/envoy-configs-in-force.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import { Rejections } from './rejections.ts';
import { RouteQuarantine } from './route-quarantine.ts';

/** Certificates expire by the hour at most as far as telling about it goes; their clients judge them by the second. */
const CLOCK_STEP_MS = 3_600_000;
/** How long a change may wait for Secrets that it needs, once something is served. */
const MAX_WAIT_MS = 1_000;

export interface ControllerOptions {
  readonly source: ObjectSource;
  readonly pipeline: Pipeline;
  readonly cache: SnapshotCache;
  /** Which node may see what of it, where that is to follow the settings. */
  readonly views?: NodeViews;
  /** Who tries configs before they are served, where the pipeline says that they are. */
  readonly trying?: ConfigTrying;
  readonly onEvent: (event: ControllerEvent) => void;
}

/** How configs are tried by an Envoy. */
export interface ConfigTrying extends Pick<DryRunOptions<ConfigTrial>, 'bootstrap' | 'objectionTo'> {
  /** Told why something is served that could not be tried. */
  readonly onUntried: (reason: string) => void;
}

export type ControllerEvent = ChangedEvent | FindingsEvent;

/** A batch of objects was taken in. */
export interface ChangedEvent {
  readonly kind: 'changed';
  readonly batch: ObjectBatch;
  readonly change: ResourceChange;
  /** The revision of the cache that holds the outcome; that before if the batch made no difference. */
  readonly revision: number;
  /** Milliseconds. */
  readonly timing: { readonly readMs: number; readonly ingestMs: number; readonly translateMs: number; readonly publishMs: number };
}

/** What is wrong may have changed; {@link Controller.diagnostics} says what is. */
export interface FindingsEvent {
  readonly kind: 'findings';
}

interface TakenBatch {
  readonly batch: ObjectBatch;
  readonly change: ResourceChange;
  readonly timing: Omit<ChangedEvent['timing'], 'publishMs'>;
}

/** Takes objects from a source through the pipeline into the cache, and what clients refuse back to the objects. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #rejections: Rejections;
  readonly #quarantine: RouteQuarantine;
  readonly #grants: NodeGrants | undefined;
  readonly #dryRun: DryRun<ConfigTrial> | undefined;
  /** What is not published yet, since it needs Secrets that nobody has looked for. */
  readonly #held = new HeldChanges();
  readonly #late = new LateRemovals({ remove: (names) => this.#remove(names) });
  #taken: TakenBatch[] = [];
  /** Whether something that the pipeline made waits. */
  #isHolding = false;
  #overdue: NodeJS.Timeout | undefined;
  #sourceDiagnostics: readonly Diagnostic[] = [];

  constructor(options: ControllerOptions) {
    this.#options = options;
    // What nothing leads to any more is refused to nobody's harm.
    const served = { get: (name: ResourceName) => (this.#late.has(name) ? undefined : options.cache.get(name)) };
    this.#rejections = new Rejections(options.pipeline, served);
    this.#quarantine = new RouteQuarantine(options.pipeline);
    const { pipeline, views, trying } = options;
    this.#dryRun = trying && new DryRun({ ...trying, onConcluded: (concluded) => this.#conclude(concluded) });
    this.#grants = views && new NodeGrants({ pipeline, views, onChange: (change) => this.#onNodes(change) });
  }

  /**
   * Follows the source until the signal aborts. Nothing is published before its first complete read, and before all Secrets
   * that this needs were looked for. A later change waits for its Secrets too, but not for long.
   * @throws whatever the source throws
   */
  async run(signal: AbortSignal): Promise<void> {
    const clock = setInterval(() => this.#advance(), CLOCK_STEP_MS);
    try {
      for await (const batch of this.#options.source.watch(signal)) this.#takeBatch(batch);
    } finally {
      clearInterval(clock);
      clearTimeout(this.#overdue);
      this.#late[Symbol.dispose]();
      await this.#dryRun?.[Symbol.asyncDispose]();
      this.#grants?.close();
    }
  }

  /** How many configs are being tried, and not served before. */
  get trials(): number {
    return this.#dryRun?.open ?? 0;
  }

  /** What is wrong with the objects, where they stand in files, and what clients refused; sorted. */
  diagnostics(): Diagnostic[] {
    const { pipeline, source } = this.#options;
    const located = [...pipeline.diagnostics(), ...this.#rejections.diagnostics(), ...this.#quarantine.diagnostics()].map((found) =>
      locateDiagnostic(found, source),
    );
    return [...this.#sourceDiagnostics, ...located].sort(compareDiagnostics);
  }

  /** Whether all that the pipeline made is published; else an event follows when it is. */
  get isUpToDate(): boolean {
    return !this.#isHolding;
  }

  /** Publishes a change that comes from elsewhere, with what is published first or now. */
  readonly publish = (change: ResourceChange): void => {
    if (this.#options.cache.isReady) this.#publish(change);
    else this.#held.add(change);
  };

  /** To be told of what clients make of each resource. */
  readonly onOutcome = (outcome: Outcome): void => {
    const rollback = this.#options.pipeline.noteOutcome(outcome);
    if (rollback) {
      this.#take(rollback);
      return;
    }
    // Who has the slots tells what is refused of them.
    if (outcome.typeUrl === SLOT_TYPE) return;
    const changes = outcome.typeUrl === ROUTES ? this.#quarantine.note(outcome) : [];
    for (const change of changes) this.#publish(change);
    if (this.#noteRejection(outcome) || changes.length > 0) this.#options.onEvent({ kind: 'findings' });
  };

  /** What the quarantine takes apart it also tells; routes of configs are whole to it. */
  #noteRejection(outcome: Outcome): boolean {
    const isTakenApart = outcome.typeUrl === ROUTES && this.#options.pipeline.routeShard(outcome.name) !== undefined;
    return !isTakenApart && this.#rejections.note(outcome);
  }

  #takeBatch(batch: ObjectBatch): void {
    const { pipeline, source } = this.#options;
    const change = pipeline.apply(batch, source.wantNodes(pipeline.wantsNodes));
    this.#taken.push({ batch, change, timing: { readMs: batch.timing.readMs, ...pipeline.timing } });
    this.#sourceDiagnostics = batch.diagnostics;
    this.#take(change);
    this.#dryRun?.take(pipeline.takeTrials());
  }

  #conclude(concluded: readonly Concluded<ConfigTrial>[]): void {
    const { pipeline, trying, onEvent } = this.#options;
    for (const { verdict } of concluded) if (verdict.kind === 'untried') trying?.onUntried(verdict.reason);
    this.#take(pipeline.concludeTrials(concluded));
    onEvent({ kind: 'findings' });
  }

  /** Publishes what the pipeline has just made, with all that waits, as soon as what it needs is there. */
  #take(change: ResourceChange): void {
    const { pipeline, source } = this.#options;
    const { needed, dropped } = pipeline.secretReferences;
    const hasNodes = source.wantNodes(pipeline.wantsNodes);
    this.#held.add(change);
    this.#isHolding = true;
    const hasSecrets = source.want(needed, dropped);
    // Later, nodes that were served before are, until it is known whether they are to be.
    const isWhole = hasNodes || !pipeline.wantsNodes || this.#options.cache.isReady;
    if (hasSecrets && isWhole) this.#publishTaken();
    else this.#wait();
  }

  #wait(): void {
    if (this.#options.cache.isReady) this.#overdue ??= setTimeout(() => this.#publishTaken(), MAX_WAIT_MS);
  }

  #publishTaken(): void {
    const { cache, onEvent } = this.#options;
    clearTimeout(this.#overdue);
    this.#overdue = undefined;
    const taken = this.#taken;
    this.#taken = [];
    this.#isHolding = false;
    const startedAt = performance.now();
    cache.apply(this.#late.take(this.#held.take()));
    // Nothing is sent before the event loop turns.
    this.#grants?.update();
    const publishMs = performance.now() - startedAt;
    const { revision } = cache;
    for (const { batch, change, timing } of taken) onEvent({ kind: 'changed', batch, change, revision, timing: { ...timing, publishMs } });
    if (taken.length === 0) onEvent({ kind: 'findings' });
  }

  /** Publishes a change that no batch brought, unless some wait: the state that it belongs to is theirs. */
  #publish(change: ResourceChange): void {
    if (!this.#isHolding) this.#options.cache.apply(this.#late.take(change));
    else this.#held.add(change);
  }

  /** @returns false where something that is published needs them yet */
  #remove(removals: readonly ResourceName[]): boolean {
    try {
      this.#options.cache.apply({ upserts: [], removals });
      return true;
    } catch (error) {
      if (error instanceof XdsError && error.code === 'inconsistent') return false;
      throw error;
    }
  }

  #onNodes(change: ResourceChange): void {
    this.#publish(change);
    this.#options.onEvent({ kind: 'findings' });
  }

  #advance(): void {
    this.#publish(this.#options.pipeline.advance(new Date()));
    this.#options.onEvent({ kind: 'findings' });
  }
}
