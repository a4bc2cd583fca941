import { Counter, Histogram, type Registry } from 'prom-client';
import { BoundedSeries } from './bounded-series.ts';
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
    const counter = new Counter({ name, help, labelNames: [...labels, ...context.names], registers: [registry] });
    const valuesOf = this.#bound(name, counter);
    return (own, of) => counter.labels(...valuesOf(own, of)).inc();
  }

  histogram(name: string, help: string, labels: readonly string[]): (own: readonly string[], of: readonly string[], value: number) => void {
    const { registry, context } = this.#bounds;
    const histogram = new Histogram({ name, help, labelNames: [...labels, ...context.names], registers: [registry] });
    const valuesOf = this.#bound(name, histogram);
    return (own, of, value) => histogram.labels(...valuesOf(own, of)).observe(value);
  }

  /** @returns how values of all labels are had, of a series that there may be */
  #bound(name: string, metric: { remove(...values: string[]): void }) {
    const { maxSeries, overflow, idleMs, now } = this.#bounds;
    overflow.inc({ metric: name }, 0);
    const remove = (values: readonly string[]) => metric.remove(...values);
    const known = new BoundedSeries({ size: maxSeries, idleMs, now, onFreed: remove });
    // Without a context a series that there was no room for may be one of those by now.
    const onFreed = (values: readonly string[]) => !known.has(values) && remove(values);
    const ofOthers = new BoundedSeries({ size: MAX_OTHERS, idleMs, now, onFreed });
    return (own: readonly string[], of: readonly string[]): readonly string[] => {
      const values = [...own, ...of];
      if (known.use(values)) return values;
      overflow.inc({ metric: name });
      const rest = [...own, ...this.#others];
      return ofOthers.use(rest) ? rest : rest.map(() => OTHERS);
    };
  }
}
