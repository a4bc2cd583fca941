/** What the control plane's histograms say of where time went, in milliseconds a change. */
export interface StageTimes {
  readonly [stage: string]: number;
}

const LINE = /^(sluice_batch_stage_seconds|sluice_propagation_seconds)_(sum|count)\{for="envoys"(?:,stage="([^"]+)")?\} (\S+)$/gm;

/** Reads sums and counts out of Prometheus text. */
export function readStages(metrics: string): Map<string, { sum: number; count: number }> {
  const stages = new Map<string, { sum: number; count: number }>();
  for (const [, metric, kind, label, value] of metrics.matchAll(LINE)) {
    const name = label ?? (metric === 'sluice_propagation_seconds' ? 'seen to acknowledged' : 'batch');
    const stage = stages.get(name) ?? { sum: 0, count: 0 };
    stages.set(name, stage);
    if (kind === 'sum') stage.sum = Number(value);
    else stage.count = Number(value);
  }
  return stages;
}

/** The mean of each stage between two readings. */
export function stageTimes(before: ReturnType<typeof readStages>, after: ReturnType<typeof readStages>): StageTimes {
  const times: Record<string, number> = {};
  for (const [name, { sum, count }] of after) {
    const earlier = before.get(name) ?? { sum: 0, count: 0 };
    if (count > earlier.count) times[name] = ((sum - earlier.sum) * 1000) / (count - earlier.count);
  }
  return times;
}
