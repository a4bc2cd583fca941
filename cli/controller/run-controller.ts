import type { MetricsAddress } from '../../controller/admin/metrics-listener.ts';
import { startAdminServer } from '../../controller/admin/server.ts';
import { identifyNode, ServingIdentity } from '../../controller/trust/index.ts';
import type { ApiClient } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import { beginTraces } from '../control/begin-traces.ts';
import { describeFailure } from '../describe-failure.ts';
import type { Log } from '../log.ts';
import { openMetrics } from '../open-metrics.ts';
import { type StopSignals, whenAborted } from '../stop-signals.ts';
import { ClusterParts } from './cluster-parts.ts';

export interface ControllerRunOptions {
  readonly client: ApiClient;
  /** The one that Sluice runs in. */
  readonly namespace: string;
  /** The name of this replica's pod. */
  readonly podName: string;
  /** Where nodes connect to, by mutual TLS. */
  readonly xds: { readonly host: string; readonly port: number };
  readonly adminPort: number;
  /** Where others may ask for metrics, by mutual TLS. Default: nowhere. */
  readonly metricsAddress?: MetricsAddress;
  readonly settings: Settings;
  readonly log: Log;
}

/**
 * Compiles the objects of a cluster for all of its nodes until it is told to stop. Nodes can connect once everything has been
 * read; whichever replica holds the Lease writes for all.
 */
export async function runController(options: ControllerRunOptions, stop: StopSignals): Promise<void> {
  const { client, namespace, xds, adminPort: port, metricsAddress: address, settings, log } = options;
  const ended = new AbortController();
  await using cleanUp = new AsyncDisposableStack();
  const serving = Promise.withResolvers<ServingIdentity>();
  serving.promise.catch(() => {});
  const parts = new ClusterParts(options, async () => (await serving.promise).authority);
  await cleanUp.use(beginTraces(parts.control, parts.policy, { settings: settings.tracing, log }))?.tried;
  const { view, metrics, tasks } = parts.control;
  const admin = await startAdminServer({ view, metrics, port });
  cleanUp.defer(() => admin.close());
  const credentials = async () => (await serving.promise).credentials;
  const pages = { '/metrics': () => metrics.render() };
  cleanUp.use(openMetrics({ address, credentials, clients: settings.metrics.clients, pages, tasks, log }));
  const following = parts.control.controller.run(ended.signal);
  cleanUp.defer(async () => {
    ended.abort();
    await following.catch(() => {});
  });
  if (parts.configs) cleanUp.use(parts.configs);
  if (parts.policy) cleanUp.adopt(parts.policy, (policy) => policy.close());
  parts.duties.start();
  cleanUp.defer(() => parts.duties.stop());
  cleanUp.defer(() => parts.control.server.close());
  const begin = async () => {
    const onError = (error: unknown) => log({ level: 'warn', event: 'identity', text: `${describeFailure(error)}; trying again` });
    const identity = cleanUp.use(await ServingIdentity.open({ client, namespace, onError }, ended.signal));
    serving.resolve(identity);
    await parts.untilPublished(ended.signal);
    await parts.control.server.listen({ ...xds, credentials: identity.credentials, identify: identifyNode });
    parts.noteListening();
    log({ level: 'info', event: 'ready', text: `nodes are served on port ${xds.port}, admin http://127.0.0.1:${admin.port}` });
  };
  const stopRequested = whenAborted(stop.graceful);
  const beginning = begin();
  await Promise.race([Promise.all([beginning, following]), stopRequested]);
  log({ level: 'info', event: 'stopping', text: `on ${String(stop.graceful.reason)}; nodes keep what they have` });
  ended.abort();
  await beginning.catch(() => {});
}
