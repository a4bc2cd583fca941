import { join } from 'node:path';
import { listeningPorts, NodeSlots, ProxyPorts } from '../../agent/index.ts';
import { ENFORCER, HoldingsReporter, NodeReporter, Relay, RelayStore } from '../../xds-server/relay/index.ts';
import {
  CLUSTER_TYPE,
  type Holdings,
  LISTENER_TYPE,
  OWN_LISTENER_PREFIX,
  ROUTES_TYPE,
  RpcServer,
  SLOT_TYPE,
} from '../../xds-server/serve/index.ts';
import { describeFailure } from '../describe-failure.ts';
import { countRedirects } from '../node-metrics.ts';
import { relayEntry, storeEntry } from './relay-entries.ts';
import type { EnvoySide } from './relay-envoy.ts';
import type { AgentOptions } from './run-agent.ts';

/** Who enforces policy on this node, as the agent serves it. */
export interface EnforcerSide {
  /** What the enforcer is told. */
  readonly relay: Relay;
  /** Where it asks; nobody can yet. */
  readonly rpc: RpcServer;
}

/** Of what controllers are told which version Envoy has. */
const CONFIG_TYPES = [CLUSTER_TYPE, ROUTES_TYPE, LISTENER_TYPE];

/** Prepares to serve who enforces policy on this node, from a store of its own, and serves the node's Envoy the listeners of slots. */
export function relayPolicy(options: AgentOptions, side: EnvoySide, cleanUp: AsyncDisposableStack): EnforcerSide {
  const { nodeName, log } = options;
  const { state, identity, clients } = side;
  const store = RelayStore.open({ folder: join(state.path, 'policy'), onEvent: (event) => log(storeEntry(event)) });
  cleanUp.defer(() => store.close());
  const rpc = new RpcServer();
  const upstream = { target: options.controllers, credentials: identity.credentials };
  const relay = new Relay({
    upstream,
    client: ENFORCER,
    nodeId: nodeName,
    store,
    onEvent: (event) => log(relayEntry(event, 'the enforcer')),
    serve: { rpc, isHeld: (resource) => slots.isHeld(resource) },
  });
  cleanUp.defer(() => relay.close());
  cleanUp.defer(clients.follow(relay.cache, () => side.relay.reviewForms()));
  const reporter = cleanUp.use(new NodeReporter(upstream));
  const slots = cleanUp.use(
    new NodeSlots({
      envoy: side.relay,
      enforcer: relay,
      ports: ProxyPorts.open(state.path),
      listening: listeningPorts,
      onFailure: (error) => log({ level: 'error', event: 'slots', text: describeFailure(error) }),
      onRefusals: (refused) => reporter.tell(refused),
    }),
  );
  cleanUp.use(new HoldingsReporter({ upstream, holdings: () => holdingsOfConfigs(side.relay, slots) }));
  side.view.slots = slots;
  countRedirects(slots, side.metrics);
  return { relay, rpc };
}

/** Whether a resource of Envoy's is one of a config: Ingresses' have no slashes, and those of the node itself nobody else made. */
function isOfConfig(name: string): boolean {
  return name.includes('/') && !name.startsWith(OWN_LISTENER_PREFIX);
}

function holdingsOfConfigs(envoys: Relay, slots: NodeSlots): ReadonlyMap<string, Holdings> {
  return new Map([...envoys.holdings(CONFIG_TYPES, isOfConfig), [SLOT_TYPE, slots.holdings()]]);
}
