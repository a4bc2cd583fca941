import { Counter, Gauge } from 'prom-client';
import { type AdminClient, EnvoyError, type NodeSlots, renderServiceSeries, SERVICE_STATS } from '../agent/index.ts';
import type { Metrics } from '../controller/admin/metrics.ts';
import { FlowMetrics, type FlowRing, OptionProblem, ProxyMetrics, readMetric } from '../flows/index.ts';
import type { Settings } from '../settings/index.ts';

/**
 * Counts the flows that come from now on. What the settings ask for, `requireSettings` has looked at.
 * @returns what ends that
 * @throws TypeError where there are no such metrics all the same, or they are kept already
 */
export function countFlows(ring: FlowRing, { registry }: Metrics, { flows, maxSeries }: Settings['metrics']): () => void {
  const metrics = flows.map(readMetric).flatMap((metric) => (metric instanceof OptionProblem ? [] : [metric]));
  const ofFlows = FlowMetrics.of({ registry, metrics, maxSeries });
  if (ofFlows instanceof OptionProblem) throw new TypeError(ofFlows.message);
  const ofProxies = new ProxyMetrics(registry);
  return ring.watch((flow) => {
    ofFlows.observe(flow);
    ofProxies.observe(flow);
  });
}

/** Tells with the metrics what Envoy says of Services, asked when someone asks. An Envoy that does not answer is counted, and the rest told without. */
export function includeServices(metrics: Metrics, envoy: Pick<AdminClient, 'prometheusStats'>, { maxSeries }: Settings['metrics']): void {
  const failed = new Counter({
    name: 'sluice_envoy_statistics_failures_total',
    help: 'How often Envoy did not tell of Services when it was asked',
    registers: [metrics.registry],
  });
  metrics.include('services', async () => {
    try {
      return renderServiceSeries(await envoy.prometheusStats(SERVICE_STATS), maxSeries);
    } catch (error) {
      if (!(error instanceof EnvoyError)) throw error;
      failed.inc();
      return '';
    }
  });
}

/** Tells by Cilium's name to how many listeners of Envoy packets of pods are led. */
export function countRedirects(slots: Pick<NodeSlots, 'redirects'>, { registry }: Pick<Metrics, 'registry'>): void {
  new Gauge({
    name: 'cilium_proxy_redirects',
    help: 'Listeners of a proxy that packets of pods are led to',
    labelNames: ['protocol_l7'],
    registers: [registry],
    collect() {
      for (const [protocol_l7, count] of Object.entries(slots.redirects())) this.set({ protocol_l7 }, count);
    },
  });
}
