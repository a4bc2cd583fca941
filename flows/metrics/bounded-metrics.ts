import { Counter, Histogram, type Registry } from 'prom-client';
import { BoundedSeries, type Series } from './bounded-series.ts';
import type { Context } from './context.ts';

export interface Bounds {
  readonly registry: Registry;
  readonly context: Context;
  /** Of one metric. */
  readonly maxSeries: number;
  /** Counts, by `metric`, what is told as of {@link OTHERS}. */
  readonly overflow: Counter<'metric'>;
  /** How long a series has to be of no use before another may have its place, in milliseconds. */
  readonly idleMs: number;
  /** Milliseconds of any clock that nobody sets. */
  readonly now: () => number;
}

/** In place of who a flow is of, where there are too many to tell apart. */
const OTHERS = 'other';
/** Series of a metric with {@link OTHERS}. Beyond these, what they are of is {@link OTHERS}, too. */
const MAX_OTHERS = 100;

/** Makes metrics whose series are bounded: by labels of their own, and then by those of a context. */
export class BoundedMetrics {
  readonly #bounds: Bounds;
  readonly #others: readonly string[];

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#others = bounds.context.names.map(() => OTHERS);
  }

  counter(name: string, help: string, labels: readonly string[]): (own: readonly string[], of: readonly string[]) => void {
    const { registry, context } = this.#bounds;
    const changed = new Set<Series>();
    const counter = new Counter({
      name,
      help,
      labelNames: [...labels, ...context.names],
      registers: [registry],
      collect: () => {
        for (const { values, pending } of changed) counter.labels(...values).inc(pending);
        for (const series of changed) series.pending = 0;
        changed.clear();
      },
    });
    const seriesOf = this.#bound(name, labels, (series) => {
      changed.delete(series);
      counter.remove(...series.values);
    });
    // Flows are many, and who asks for metrics does so seldom.
    return (own, of) => {
      const series = seriesOf(own, of);
      if (series.pending++ === 0) changed.add(series);
    };
  }

  histogram(name: string, help: string, labels: readonly string[]): (own: readonly string[], of: readonly string[], value: number) => void {
    const { registry, context } = this.#bounds;
    const histogram = new Histogram({ name, help, labelNames: [...labels, ...context.names], registers: [registry] });
    const seriesOf = this.#bound(name, labels, ({ values }) => histogram.remove(...values));
    return (own, of, value) => histogram.labels(...seriesOf(own, of).values).observe(value);
  }

  /** @returns how a series is had that there may be */
  #bound(name: string, labels: readonly string[], remove: (series: Series) => void) {
    const { maxSeries, overflow, idleMs, now } = this.#bounds;
    overflow.inc({ metric: name }, 0);
    const known = new BoundedSeries({ size: maxSeries, idleMs, now, onFreed: remove });
    // Without a context a series that there was no room for may be one of those by now.
    const onFreed = (series: Series) => !known.has(series.values) && remove(series);
    const ofOthers = new BoundedSeries({ size: MAX_OTHERS, idleMs, now, onFreed });
    const beyond: Series = { values: [...labels, ...this.#others].map(() => OTHERS), pending: 0 };
    return (own: readonly string[], of: readonly string[]): Series => {
      const series = known.use([...own, ...of]);
      if (series) return series;
      overflow.inc({ metric: name });
      return ofOthers.use([...own, ...this.#others]) ?? beyond;
    };
  }
}
