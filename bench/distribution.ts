/** Milliseconds, or whatever else was measured. */
export interface Distribution {
  readonly samples: number;
  readonly mean: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** @param values at least one */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return { samples: sorted.length, mean, p25: at(0.25), p50: at(0.5), p75: at(0.75), p90: at(0.9), p99: at(0.99), max: at(1) };
}

export function formatDistribution({ samples, mean, p50, p90, p99, max }: Distribution, unit: string): string {
  const figure = (value: number) => (value < 100 ? value.toFixed(1) : value.toFixed(0));
  return `mean ${figure(mean)}  p50 ${figure(p50)}  p90 ${figure(p90)}  p99 ${figure(p99)}  max ${figure(max)} ${unit}  (${samples} samples)`;
}
