import type { ChangesFor, Metrics } from '../../controller/admin/metrics.ts';
import { Answers } from './answers.ts';
import type { ChangeListener, TakenChange } from './change-listener.ts';

export interface ChangeMetricsOptions {
  readonly metrics: Pick<Metrics, 'stage' | 'propagated' | 'watchUnanswered'>;
  /** Whom what is published is for. */
  readonly changesFor: ChangesFor;
  /** The nodes that are connected. */
  readonly connected: () => Iterable<string>;
}

/** Measures how long changes take until they are in force everywhere. What is read first is none. */
export class ChangeMetrics implements ChangeListener {
  readonly #options: ChangeMetricsOptions;
  /** When each was seen, as of `performance.now()`. */
  readonly #answers: Answers<number>;
  #isFirst = true;

  constructor(options: ChangeMetricsOptions) {
    this.#options = options;
    const { metrics, changesFor, connected } = options;
    this.#answers = new Answers({ connected, onAnswered: (seenAt, at) => metrics.propagated(changesFor, at - seenAt) });
    metrics.watchUnanswered(changesFor, () => {
      const seenAt = this.#answers.oldest();
      return seenAt === undefined ? 0 : performance.now() - seenAt;
    });
  }

  changed({ batch, change, revision, timing }: TakenChange): void {
    const { metrics, changesFor } = this.#options;
    for (const stage of ['read', 'ingest', 'translate', 'publish'] as const) metrics.stage(changesFor, stage, timing[`${stage}Ms`]);
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (!isFirst && change.upserts.length + change.removals.length > 0) this.#answers.published(batch.timing.seenAt, revision);
  }

  synced(nodeId: string, revision: number): void {
    this.#answers.answered(nodeId, revision);
  }

  left(nodeId: string): void {
    this.#answers.left(nodeId);
  }
}
