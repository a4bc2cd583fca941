import { type AdminClient, EnvoyLosses, type NodeFlows } from '../../agent/index.ts';
import type { Metrics } from '../../controller/admin/metrics.ts';
import type { Settings } from '../../settings/index.ts';
import { flowFailure } from '../flow-failure.ts';
import type { Log } from '../log.ts';
import { countFlows } from '../node-metrics.ts';
import type { SideTasks } from '../side-tasks.ts';
import { type ForOthers, tellOthers } from './flows-for-others.ts';

export interface ServeFlowsOptions {
  readonly flows: NodeFlows;
  /** Where Hubble's clients of this machine are to ask. */
  readonly socket: string;
  readonly settings: Pick<Settings, 'flows' | 'metrics'>;
  readonly metrics: Metrics;
  /** Of the Envoy that tells of requests. */
  readonly envoy: Pick<AdminClient, 'stats' | 'serverInfo'>;
  /** By what other machines may ask, and at which address, where settings have a port for them. Default: none may. */
  readonly forOthers?: Pick<ForOthers, 'identity' | 'host'>;
  readonly tasks: SideTasks;
  readonly log: Log;
}

export interface ServedFlows extends AsyncDisposable {
  /** Resolves once who is on this machine can ask and a collector is told, or that was tried. */
  readonly tried: Promise<void>;
}

/** Has the flows of a node counted and told to all who are to hear of them, as settings say. What of that cannot be is tried again. */
export function serveFlows(options: ServeFlowsOptions): ServedFlows {
  const { flows, socket, settings, metrics, envoy, forOthers, tasks, log } = options;
  const cleanUp = new AsyncDisposableStack();
  cleanUp.defer(countFlows(flows.ring, metrics, settings.metrics));
  cleanUp.use(new EnvoyLosses({ admin: envoy, onLost: (count) => flows.losses.add('envoy', count), onFailure: flowFailure(log) }));
  const listening = cleanUp.use(
    tasks.begin(`flows at ${socket}`, async () => {
      await flows.listen(socket);
      return undefined;
    }),
  );
  const { enabled } = settings.flows.export;
  const exporting = enabled ? cleanUp.use(exportFlows(options)) : undefined;
  const { port, clients } = settings.flows;
  const others = forOthers && port !== undefined ? { ...forOthers, flows, port, clients, log } : undefined;
  if (others) cleanUp.use(tasks.begin('flows for others', (signal) => tellOthers(others, signal)));
  const tried = Promise.all([listening.tried, exporting?.tried]).then(() => {});
  return { tried, [Symbol.asyncDispose]: () => cleanUp.disposeAsync() };
}

function exportFlows({ flows, settings, tasks, log }: ServeFlowsOptions) {
  const toCollector = settings.flows.export;
  const onFailure = (message: string) =>
    log({
      level: 'warn',
      event: 'flows',
      text: `the collector at ${toCollector.collector.endpoint} takes no flows: ${message}; trying again`,
    });
  return tasks.begin('export of flows', async () => {
    await flows.exportTo(toCollector, onFailure);
    return undefined;
  });
}
