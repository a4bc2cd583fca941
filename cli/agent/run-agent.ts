import { dirname, join } from 'node:path';
import {
  ACCESS_LOG_METHODS,
  AccessLogIntake,
  DenialLog,
  EnvoyLosses,
  explainDenialOf,
  FLOW_SOCKET,
  listeningPorts,
  NodeFlows,
  NodeIdentity,
  NodeSlots,
  OwnClients,
  ProxyPorts,
  StateFolder,
} from '../../agent/index.ts';
import { Metrics } from '../../controller/admin/metrics.ts';
import { type MetricsAddress, startAdminServer } from '../../controller/admin/server.ts';
import { resourceTypeOf } from '../../controller/render.ts';
import { requestCertificate } from '../../kube/certificates/index.ts';
import type { ApiClient } from '../../kube/index.ts';
import type { Settings } from '../../settings/index.ts';
import {
  ENFORCER,
  HoldingsReporter,
  NodeReporter,
  Relay,
  type RelayEvent,
  RelayStore,
  type StoreEvent,
} from '../../xds-server/relay/index.ts';
import {
  CLUSTER_TYPE,
  type Holdings,
  LISTENER_TYPE,
  OWN_LISTENER_PREFIX,
  ROUTES_TYPE,
  RpcServer,
  SLOT_TYPE,
} from '../../xds-server/serve/index.ts';
import { endpointsForNode } from '../../xds-server/translate/endpoints-for-node.ts';
import { describeFailure } from '../describe-failure.ts';
import { EnvoyState } from '../envoy-state.ts';
import { beginFlowExport } from '../flow-export.ts';
import type { Log, LogEntry } from '../log.ts';
import { countFlows, countRedirects, includeServices } from '../node-metrics.ts';
import { RequestFlows } from '../request-flows.ts';
import { type StopSignals, whenAborted } from '../stop-signals.ts';
import { readVersions } from '../version.ts';
import { AgentView } from './agent-view.ts';
import { FlowsForOthers } from './flows-for-others.ts';
import { createNodeEnvoy, type EnvoyPlace } from './node-envoy.ts';

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
  /** Where others may read the metrics. Default: nowhere. */
  readonly metricsAddress?: MetricsAddress;
  readonly settings: Settings['envoy'];
  readonly flows: Settings['flows'];
  readonly metrics: Settings['metrics'];
  /** The socket that {@link runEnforcer} asks at; undefined where policies are not enforced. */
  readonly enforcerSocket: string | undefined;
  readonly log: Log;
}

const SIGNER = 'sluice.io/node';
const USAGES = ['digital signature', 'client auth'];
/** Where it tells other machines of flows. */
const SERVING_USAGES = [...USAGES, 'server auth'];
/** Of what controllers are told which version Envoy has. */
const CONFIG_TYPES = [CLUSTER_TYPE, ROUTES_TYPE, LISTENER_TYPE];

/** Runs the node's Envoy, and serves it what controllers say and what it had accepted, until it is told to stop. */
export async function runAgent(options: AgentOptions, stop: StopSignals): Promise<void> {
  const { client, log, settings, nodeName, flows } = options;
  const serves = flows.enabled && flows.port !== undefined && options.enforcerSocket !== undefined;
  const usages = serves ? SERVING_USAGES : USAGES;
  await using cleanUp = new AsyncDisposableStack();
  const state = cleanUp.use(StateFolder.open(options.stateDir));
  const store = RelayStore.open({ folder: join(state.path, 'resources'), onEvent: (event) => log(storeEntry(event)) });
  cleanUp.defer(() => store.close());
  const identity = cleanUp.use(
    NodeIdentity.open({
      folder: join(state.path, 'identity'),
      bundlePath: options.authorities,
      serves,
      requestCertificate: (request, signal) => requestCertificate(client, { request, signerName: SIGNER, usages, signal }),
      onError: (error) => log({ level: 'warn', event: 'identity', text: `no certificate yet: ${describeFailure(error)}; trying again` }),
    }),
  );
  const rpc = new RpcServer();
  const denials = new DenialLog();
  const clients = new OwnClients(nodeName);
  const logs = new AccessLogIntake();
  logs.add(denials.hear);
  rpc.add(ACCESS_LOG_METHODS, logs);
  const relay = new Relay({
    upstream: { target: options.controllers, credentials: identity.credentials },
    nodeId: nodeName,
    store,
    localForm: (sent) => endpointsForNode(sent, clients.node),
    onEvent: (event) => {
      log(relayEntry(event));
      if (event.kind === 'refused') view.slots?.review();
    },
    serve: { rpc, onOutcome: ({ outcome, typeUrl }) => view.count(outcome, resourceTypeOf(typeUrl)) },
  });
  const envoyState = new EnvoyState(readVersions().envoy);
  const view = new AgentView({ relay, identity, envoy: envoyState });
  const metrics = new Metrics(view);
  view.metrics = metrics;
  cleanUp.defer(() => relay.close());
  const envoy = createNodeEnvoy(options.envoy, { state, settings, nodeName, log, envoyState });
  includeServices(metrics, envoy.admin, options.metrics);
  await relay.start(envoy.xdsAddress);
  const { enforcerSocket, adminPort: port } = options;
  const policies =
    enforcerSocket === undefined
      ? undefined
      : await relayPolicy(options, enforcerSocket, { state, identity, envoys: relay, clients, logs, view, metrics, cleanUp });
  if (!policies && options.flows.enabled) {
    const { capacity } = options.flows;
    const flows = cleanUp.use(new RequestFlows({ node: nodeName, capacity, socket: join(state.path, FLOW_SOCKET), logs }));
    cleanUp.defer(countFlows(flows.ring, metrics, options.metrics));
    view.flows = flows;
    await flows.listen();
    await beginFlowExport(flows, options.flows.export, log);
  }
  const { flows: told } = view;
  if (told) cleanUp.use(new EnvoyLosses({ admin: envoy.admin, onLost: (count) => told.losses.add('envoy', count) }));
  const explaining = policies && { explainDenial: (id: string) => explainDenialOf(denials, policies.cache, id) };
  const admin = await startAdminServer({
    view,
    metrics,
    port,
    ...(options.metricsAddress && { metricsAddress: options.metricsAddress }),
    ...explaining,
  });
  cleanUp.defer(() => admin.close());
  log({ level: 'info', event: 'started', text: `node ${nodeName}, controllers at ${options.controllers}, admin on port ${admin.port}` });
  const stopRequested = whenAborted(stop.graceful);
  await Promise.race([envoy.start(), stopRequested]);
  await stopRequested;
  // What Envoy has stays in force: the next agent finds it so.
  await envoy.leave();
}

interface Surroundings {
  readonly state: StateFolder;
  readonly identity: NodeIdentity;
  /** Of the node's Envoy. */
  readonly envoys: Relay;
  readonly clients: OwnClients;
  readonly logs: AccessLogIntake;
  readonly view: AgentView;
  readonly metrics: Metrics;
  readonly cleanUp: AsyncDisposableStack;
}

/** Serves who enforces policy on this node, from a store of its own, and the node's Envoy the listeners of slots. */
async function relayPolicy(
  {
    controllers,
    nodeName,
    log,
    flows: { enabled, capacity, port, clients: flowClients, export: toCollector },
    metrics: counted,
  }: AgentOptions,
  path: string,
  { state, identity, envoys, clients, logs, view, metrics, cleanUp }: Surroundings,
): Promise<Relay> {
  const store = RelayStore.open({ folder: join(state.path, 'policy'), onEvent: (event) => log(storeEntry(event)) });
  cleanUp.defer(() => store.close());
  const rpc = new RpcServer();
  const relay = new Relay({
    upstream: { target: controllers, credentials: identity.credentials },
    client: ENFORCER,
    nodeId: nodeName,
    store,
    onEvent: (event) => log(relayEntry(event, 'the enforcer')),
    serve: { rpc, isHeld: (resource) => slots.isHeld(resource) },
  });
  cleanUp.defer(() => relay.close());
  cleanUp.defer(clients.follow(relay.cache, () => envoys.reviewForms()));
  const reporter = cleanUp.use(new NodeReporter({ target: controllers, credentials: identity.credentials }));
  const slots = cleanUp.use(
    new NodeSlots({
      envoy: envoys,
      enforcer: relay,
      ports: ProxyPorts.open(state.path),
      listening: listeningPorts,
      onFailure: (error) => log({ level: 'error', event: 'slots', text: describeFailure(error) }),
      onRefusals: (refused) => reporter.tell(refused),
    }),
  );
  cleanUp.use(
    new HoldingsReporter({
      upstream: { target: controllers, credentials: identity.credentials },
      holdings: () => holdingsOfConfigs(envoys, slots),
    }),
  );
  view.slots = slots;
  countRedirects(slots, metrics);
  if (enabled) {
    const flows = cleanUp.use(new NodeFlows({ node: nodeName, version: readVersions().sluice, capacity, cache: relay.cache }));
    cleanUp.defer(countFlows(flows.ring, metrics, counted));
    flows.hear(rpc);
    logs.add(flows.hearEnvoy);
    view.flows = flows;
    await flows.listen(join(dirname(path), FLOW_SOCKET));
    await beginFlowExport(flows, toCollector, log);
    if (port !== undefined) cleanUp.use(new FlowsForOthers({ flows, identity, port, clients: flowClients, log }));
  }
  await relay.start({ path, group: true });
  return relay;
}

/** Whether a resource of Envoy's is one of a config: Ingresses' have no slashes, and those of the node itself nobody else made. */
function isOfConfig(name: string): boolean {
  return name.includes('/') && !name.startsWith(OWN_LISTENER_PREFIX);
}

function holdingsOfConfigs(envoys: Relay, slots: NodeSlots): ReadonlyMap<string, Holdings> {
  return new Map([...envoys.holdings(CONFIG_TYPES, isOfConfig), [SLOT_TYPE, slots.holdings()]]);
}

/** @param client who is served */
function relayEntry(event: RelayEvent, client = 'Envoy'): LogEntry {
  switch (event.kind) {
    case 'connected':
      return {
        level: 'info',
        event: 'upstream',
        text: `connected to ${event.peer}${event.standby ? `, standing by until ${client} is up to date` : ''}`,
      };
    case 'disconnected':
      return {
        level: 'warn',
        event: 'upstream',
        text: `lost: ${event.message}; trying again in ${Math.round(event.retryMs)} ms, what was good is served`,
      };
    case 'refused':
      return {
        level: 'error',
        event: 'refused',
        text: `${client} refused ${resourceTypeOf(event.typeUrl)} ${event.name}: ${event.message}`,
      };
  }
}

function storeEntry(event: StoreEvent): LogEntry {
  switch (event.kind) {
    case 'damaged':
      return {
        level: 'warn',
        event: 'store',
        text: `${event.parts} parts of what was stored cannot be read; the controller is asked for them`,
      };
    case 'failing':
      return { level: 'error', event: 'store', text: `what Envoy accepts cannot be stored: ${event.message}; trying again` };
    case 'recovered':
      return { level: 'info', event: 'store', text: 'everything is stored again' };
  }
}
