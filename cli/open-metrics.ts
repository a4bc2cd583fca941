import type { Metrics } from '../controller/admin/metrics.ts';
import { type MetricsAddress, startMetricsServer } from '../controller/admin/server.ts';
import type { SideTask, SideTasks } from './side-tasks.ts';

/** Lets others read the metrics, where they are to. An address that cannot be had is waited for. */
export function openMetrics(metrics: Metrics, address: MetricsAddress | undefined, tasks: SideTasks): SideTask | undefined {
  if (!address) return undefined;
  return tasks.begin('metrics for others', async () => {
    const server = await startMetricsServer(metrics, address);
    return { [Symbol.asyncDispose]: () => server.close() };
  });
}
