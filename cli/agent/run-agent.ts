import { dirname, join } from 'node:path';
import { DenialLog, explainDenialOf, FLOW_SOCKET, NodeFlows, NodeIdentity, StateFolder } from '../../agent/index.ts';
import type { MetricsAddress } from '../../controller/admin/metrics-listener.ts';
import { startAdminServer } from '../../controller/admin/server.ts';
import type { ApiClient } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import { SnapshotCache } from '../../xds-server/serve/index.ts';
import { describeFailure } from '../describe-failure.ts';
import { flowFailure } from '../flow-failure.ts';
import { serveFlows } from '../flows/serve-flows.ts';
import type { Log } from '../log.ts';
import { enforcerPages, type MetricsForOthers, openMetrics } from '../open-metrics.ts';
import { SideTasks } from '../side-tasks.ts';
import { type StopSignals, whenAborted } from '../stop-signals.ts';
import { readVersions } from '../version.ts';
import { requestNodeCertificate } from './node-certificate.ts';
import type { EnvoyPlace } from './node-envoy.ts';
import { type EnvoySide, relayEnvoy } from './relay-envoy.ts';
import { type EnforcerSide, relayPolicy } from './relay-policy.ts';

export interface AgentOptions {
  /** Where controllers are, as gRPC names it: `dns:///NAME:PORT`. */
  readonly controllers: string;
  /** PEM file of the authorities that controllers are known by. */
  readonly authorities: string;
  /** Has this node's certificate signed. */
  readonly client: ApiClient;
  /** What this node calls itself; controllers believe its certificate only. */
  readonly nodeName: string;
  /** For what outlives this process and the machine's next start. */
  readonly stateDir: string;
  readonly envoy: EnvoyPlace;
  readonly adminPort: number;
  /** Where others may ask for metrics, by mutual TLS. Default: nowhere. */
  readonly metricsAddress?: MetricsAddress;
  /** Where others may ask for flows, at the port that settings have for that. Default: all addresses of the node. */
  readonly flowsAddress?: string;
  /** On loopback, where the enforcer of this node tells its metrics. */
  readonly enforcerAdminPort: number;
  readonly settings: Pick<Settings, 'envoy' | 'flows' | 'metrics'>;
  /** The socket that {@link runEnforcer} asks at; undefined where policies are not enforced. */
  readonly enforcerSocket: string | undefined;
  readonly log: Log;
}

/** Runs the node's Envoy, and serves it what controllers say and what it had accepted, until it is told to stop. */
export async function runAgent(options: AgentOptions, stop: StopSignals): Promise<void> {
  const { log, nodeName, enforcerSocket } = options;
  await using cleanUp = new AsyncDisposableStack();
  const state = cleanUp.use(StateFolder.open(options.stateDir));
  const identity = cleanUp.use(openIdentity(options, state));
  const side = relayEnvoy(options, { state, identity, tasks: new SideTasks({ log }) }, cleanUp);
  const denials = new DenialLog();
  side.logs.add(denials);
  await side.relay.start(side.envoy.xdsAddress);
  const policy = enforcerSocket === undefined ? undefined : relayPolicy(options, side, cleanUp);
  if (options.settings.flows.enabled) await rememberFlows(options, { side, policy, cleanUp });
  if (enforcerSocket !== undefined) await policy?.relay.start({ path: enforcerSocket, group: true });
  const { view, metrics } = side;
  const explaining = policy && { explainDenial: (id: string) => explainDenialOf(denials, policy.relay.cache, id) };
  const admin = await startAdminServer({ view, metrics, port: options.adminPort, ...explaining });
  cleanUp.defer(() => admin.close());
  cleanUp.use(openMetrics(metricsForOthers(options, side)));
  log({ level: 'info', event: 'started', text: `node ${nodeName}, controllers at ${options.controllers}, admin on port ${admin.port}` });
  const stopRequested = whenAborted(stop.graceful);
  await Promise.race([side.envoy.start(), stopRequested]);
  await stopRequested;
  // What Envoy has stays in force: the next agent finds it so.
  await side.envoy.leave();
}

function openIdentity(options: AgentOptions, state: StateFolder): NodeIdentity {
  const { client, authorities, metricsAddress, log } = options;
  const { flows } = options.settings;
  const serves = (flows.enabled && flows.port !== undefined) || metricsAddress !== undefined;
  return NodeIdentity.open({
    folder: join(state.path, 'identity'),
    bundlePath: authorities,
    serves,
    requestCertificate: (request, signal) => requestNodeCertificate(client, request, { serves, signal, log }),
    onError: (error) => log({ level: 'warn', event: 'identity', text: `no certificate yet: ${describeFailure(error)}; trying again` }),
  });
}

/** Of this agent, and of the enforcer of its node, where there is one. */
function metricsForOthers(
  { metricsAddress: address, enforcerSocket, enforcerAdminPort, settings, log }: AgentOptions,
  { identity, metrics, tasks }: EnvoySide,
): MetricsForOthers {
  const pages = { '/metrics': () => metrics.render(), ...(enforcerSocket !== undefined && enforcerPages(enforcerAdminPort)) };
  return { address, credentials: () => identity.serving(), clients: settings.metrics.clients, pages, tasks, log };
}

interface Hearing {
  readonly side: EnvoySide;
  readonly policy: EnforcerSide | undefined;
  readonly cleanUp: AsyncDisposableStack;
}

/** Has flows remembered and told: of requests, and where policies are enforced of all else, with names. */
async function rememberFlows(
  { nodeName, enforcerSocket, flowsAddress, settings, log }: AgentOptions,
  { side: { logs, view, metrics, envoy, identity, state, tasks }, policy, cleanUp }: Hearing,
): Promise<void> {
  const { capacity } = settings.flows;
  const cache = policy?.relay.cache ?? new SnapshotCache();
  const about = { node: nodeName, version: readVersions().sluice, onFailure: flowFailure(log) };
  const flows = cleanUp.use(new NodeFlows({ ...about, capacity, cache }));
  if (policy) flows.hear(policy.rpc);
  logs.add(flows.ofEnvoy);
  view.flows = flows;
  const folder = enforcerSocket === undefined ? state.path : dirname(enforcerSocket);
  const forOthers = { identity, ...(flowsAddress !== undefined && { host: flowsAddress }) };
  const socket = join(folder, FLOW_SOCKET);
  const served = cleanUp.use(serveFlows({ flows, socket, settings, metrics, envoy: envoy.admin, forOthers, tasks, log }));
  await served.tried;
}
