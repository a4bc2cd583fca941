import { listenForMetrics, type MetricsAddress, type MetricsListenerOptions } from '../controller/admin/metrics-listener.ts';
import { identifyClient } from '../pki/index.ts';
import type { MutualTlsCredentials } from '../xds-server/serve/index.ts';
import type { Log } from './log.ts';
import type { SideTask, SideTasks } from './side-tasks.ts';
import { unlessAborted } from './stop-signals.ts';

export interface MetricsForOthers extends Pick<MetricsListenerOptions, 'pages'> {
  /** Undefined where nobody else is to ask. */
  readonly address: MetricsAddress | undefined;
  /** Resolves once there are any. */
  readonly credentials: () => Promise<MutualTlsCredentials>;
  /** Whose certificates may ask: SPIFFE ids; one that ends with `/*` is of all below. */
  readonly clients: readonly string[];
  readonly tasks: SideTasks;
  readonly log: Log;
}

const ENFORCER_WITHIN_MS = 10_000;

/** Tells others of metrics, where they may ask, from when there are credentials for that. An address that cannot be had is waited for. */
export function openMetrics({ address, credentials, clients, pages, tasks, log }: MetricsForOthers): SideTask | undefined {
  if (!address) return undefined;
  const identify = identifyClient({ clients, may: 'ask for metrics', setting: 'metrics.clients' });
  return tasks.begin('metrics for others', async (signal) => {
    const found = await unlessAborted(credentials(), signal);
    if (!found || signal.aborted) return undefined;
    const listener = await listenForMetrics({ ...address, credentials: found, identify, pages });
    log({ level: 'info', event: 'metrics', text: `told at ${address.host}, port ${listener.port}, by mutual TLS` });
    return { [Symbol.asyncDispose]: () => listener.close() };
  });
}

/** What the enforcer of this node measures, which has no certificate and tells it on loopback alone. */
export function enforcerPages(adminPort: number): MetricsListenerOptions['pages'] {
  const read = async () => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, { signal: AbortSignal.timeout(ENFORCER_WITHIN_MS) });
    if (!response.ok) throw new Error(`the enforcer answers ${response.status}`);
    return await response.text();
  };
  return { '/metrics/enforcer': read };
}
