import type { ObjectBatch, ObjectSource } from '../kube/index.ts';
import { compareDiagnostics, type Diagnostic } from '../model/index.ts';
import type { SnapshotCache } from '../xds-server/serve/cache.ts';
import type { Outcome } from '../xds-server/serve/outcome.ts';
import type { ResourceChange } from '../xds-server/serve/resource.ts';
import { ROUTES } from '../xds-server/translate/types.ts';
import { locateDiagnostic } from './locate.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import { Rejections } from './rejections.ts';
import { RouteQuarantine } from './route-quarantine.ts';

/** Certificates expire by the hour at most as far as telling about it goes; their clients judge them by the second. */
const CLOCK_STEP_MS = 3_600_000;

export interface ControllerOptions {
  readonly source: ObjectSource;
  readonly pipeline: Pipeline;
  readonly cache: SnapshotCache;
  readonly onEvent: (event: ControllerEvent) => void;
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

/** Takes objects from a source through the pipeline into the cache, and what clients refuse back to the objects. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #rejections: Rejections;
  readonly #quarantine: RouteQuarantine;
  #sourceDiagnostics: readonly Diagnostic[] = [];

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#rejections = new Rejections(options.pipeline, options.cache);
    this.#quarantine = new RouteQuarantine(options.pipeline);
  }

  /**
   * Follows the source until the signal aborts. Nothing is published before its first complete read.
   * @throws whatever the source throws
   */
  async run(signal: AbortSignal): Promise<void> {
    const clock = setInterval(() => this.#advance(), CLOCK_STEP_MS);
    try {
      for await (const batch of this.#options.source.watch(signal)) this.#take(batch);
    } finally {
      clearInterval(clock);
    }
  }

  /** What is wrong with the objects, where they stand in files, and what clients refused; sorted. */
  diagnostics(): Diagnostic[] {
    const { pipeline, source } = this.#options;
    const located = [...pipeline.diagnostics(), ...this.#rejections.diagnostics(), ...this.#quarantine.diagnostics()].map((found) =>
      locateDiagnostic(found, source),
    );
    return [...this.#sourceDiagnostics, ...located].sort(compareDiagnostics);
  }

  /** To be told of what clients make of each resource. */
  readonly onOutcome = (outcome: Outcome): void => {
    if (outcome.typeUrl !== ROUTES) {
      if (this.#rejections.note(outcome)) this.#options.onEvent({ kind: 'findings' });
      return;
    }
    const changes = this.#quarantine.note(outcome);
    for (const change of changes) this.#options.cache.apply(change);
    if (changes.length > 0) this.#options.onEvent({ kind: 'findings' });
  };

  #take(batch: ObjectBatch): void {
    const { pipeline, cache, onEvent } = this.#options;
    const change = pipeline.apply(batch);
    const { ingestMs, translateMs } = pipeline.timing;
    const computed = performance.now();
    cache.apply(change);
    this.#sourceDiagnostics = batch.diagnostics;
    const timing = { readMs: batch.timing.readMs, ingestMs, translateMs, publishMs: performance.now() - computed };
    onEvent({ kind: 'changed', batch, change, revision: cache.revision, timing });
  }

  #advance(): void {
    this.#options.cache.apply(this.#options.pipeline.advance(new Date()));
    this.#options.onEvent({ kind: 'findings' });
  }
}
