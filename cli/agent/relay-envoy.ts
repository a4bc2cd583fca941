import { join } from 'node:path';
import { ACCESS_LOG_METHODS, AccessLogIntake, type NodeIdentity, OwnClients, type StateFolder } from '../../agent/index.ts';
import { Metrics } from '../../controller/admin/metrics.ts';
import { Relay, RelayStore } from '../../xds-server/relay/index.ts';
import { RpcServer } from '../../xds-server/serve/index.ts';
import { endpointsForNode } from '../../xds-server/translate/endpoints-for-node.ts';
import { EnvoyState } from '../envoy-state.ts';
import { flowFailure } from '../flow-failure.ts';
import { includeServices } from '../node-metrics.ts';
import type { SideTasks } from '../side-tasks.ts';
import { readVersions } from '../version.ts';
import { AgentView } from './agent-view.ts';
import { createNodeEnvoy } from './node-envoy.ts';
import { relayEntry, storeEntry } from './relay-entries.ts';
import type { AgentOptions } from './run-agent.ts';

/** Where the agent keeps what it has, who it is, and what it does beside. */
export interface AgentBase {
  readonly state: StateFolder;
  readonly identity: NodeIdentity;
  readonly tasks: SideTasks;
}

/** The node's Envoy, as the agent serves it and hears of it. */
export interface EnvoySide extends AgentBase {
  readonly relay: Relay;
  readonly envoy: ReturnType<typeof createNodeEnvoy>;
  /** The processes that requests of this node may come from. */
  readonly clients: OwnClients;
  /** What Envoy tells. */
  readonly logs: AccessLogIntake;
  readonly view: AgentView;
  readonly metrics: Metrics;
}

/** Prepares to serve the node's Envoy what controllers say, from a store of its own. */
export function relayEnvoy(options: AgentOptions, base: AgentBase, cleanUp: AsyncDisposableStack): EnvoySide {
  const { log, nodeName, settings } = options;
  const { state, identity, tasks } = base;
  const store = RelayStore.open({ folder: join(state.path, 'resources'), onEvent: (event) => log(storeEntry(event)) });
  cleanUp.defer(() => store.close());
  const rpc = new RpcServer();
  const clients = new OwnClients(nodeName);
  const logs = new AccessLogIntake(flowFailure(log));
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
    serve: { rpc, onOutcome: (outcome) => view.noteOutcome(outcome) },
  });
  const envoyState = new EnvoyState(readVersions().envoy);
  const view = new AgentView({ relay, identity, envoy: envoyState, tasks });
  const metrics = new Metrics(view);
  view.metrics = metrics;
  cleanUp.defer(() => relay.close());
  const envoy = createNodeEnvoy(options.envoy, { state, settings: settings.envoy, nodeName, log, envoyState });
  includeServices(metrics, envoy.admin, settings.metrics);
  return { ...base, relay, envoy, clients, logs, view, metrics };
}
