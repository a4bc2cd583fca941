import type { NodeFlows, NodeIdentity, NodeSlots, SlotState } from '../../agent/index.ts';
import type { Metrics } from '../../controller/admin/metrics.ts';
import type { RelayStatus, SlotStatus, Status } from '../../controller/admin/status.ts';
import type { AdminView } from '../../controller/admin/view.ts';
import { resourceTypeOf } from '../../controller/render.ts';
import type { Relay, RelayState } from '../../xds-server/relay/index.ts';
import type { Outcome } from '../../xds-server/serve/index.ts';
import { describeClient } from '../control/control-view.ts';
import type { EnvoyState } from '../envoy-state.ts';
import type { SideTasks } from '../side-tasks.ts';
import { readVersions } from '../version.ts';

export interface AgentViewOptions {
  readonly relay: Relay;
  readonly identity: NodeIdentity;
  readonly envoy: EnvoyState;
  readonly tasks: Pick<SideTasks, 'failing'>;
}

/** The agent of a node, as its admin endpoint shows it. */
export class AgentView implements AdminView {
  /** Counts what Envoy makes of resources; set once it is there. */
  metrics: Metrics | undefined;
  /** Of the rules of this node's policies; set where they are enforced. */
  slots: Pick<NodeSlots, 'state' | 'review'> | undefined;
  /** Of this node; set where they are remembered. */
  flows: Pick<NodeFlows, 'state' | 'losses'> | undefined;
  readonly #options: AgentViewOptions;
  readonly #since = new Date().toISOString();

  constructor(options: AgentViewOptions) {
    this.#options = options;
  }

  noteOutcome(outcome: Outcome): void {
    this.metrics?.noteOutcome(outcome);
  }

  status(): Status {
    const { relay, envoy, tasks } = this.#options;
    const failing = tasks.failing();
    const state = relay.state();
    const notReady = this.#obstacle(state);
    const clients = relay.server.clients();
    return {
      role: 'agent',
      version: readVersions().sluice,
      pid: process.pid,
      since: this.#since,
      ready: notReady === undefined,
      ...(notReady !== undefined && { notReady }),
      envoy: envoy.describe(),
      relay: this.#describeRelay(state),
      ...(this.slots && { slots: describeSlots(this.slots.state()) }),
      ...(this.flows && { flows: this.flows.state() }),
      ...(failing.length > 0 && { failing }),
      objects: {},
      resources: Object.fromEntries([...state.cached].map(([typeUrl, count]) => [resourceTypeOf(typeUrl), count])),
      clients: clients.map(describeClient),
      findings: { error: 0, warning: 0, info: 0 },
      rejected: clients.flatMap(({ types }) =>
        types.flatMap(({ typeUrl, rejected }) =>
          rejected.map(({ name, message }) => ({ type: resourceTypeOf(typeUrl), name, message, sources: [] })),
        ),
      ),
    };
  }

  diagnostics(): ReturnType<AdminView['diagnostics']> {
    return [];
  }

  model(): ReturnType<AdminView['model']> {
    return {};
  }

  *resources(): ReturnType<AdminView['resources']> {
    const { cache } = this.#options.relay;
    for (const typeUrl of cache.typeUrls()) for (const { resource } of cache.ofType(typeUrl).values()) yield resource;
  }

  /** A node is ready when its Envoy serves, with or without a controller. */
  #obstacle({ client, cached }: RelayState): string | undefined {
    const { envoy, identity } = this.#options;
    if (envoy.isLive) return undefined;
    if (cached.size === 0) return identity.status.problem ?? 'no controller has said anything yet';
    return client ? 'Envoy takes its configuration in' : 'Envoy does not run';
  }

  #describeRelay({ controller, lastError }: RelayState): RelayStatus {
    const { notAfter, problem } = this.#options.identity.status;
    const error = controller ? undefined : (problem ?? lastError?.message);
    return {
      ...(controller && { controller: controller.peer }),
      since: (controller?.since ?? lastError?.at ?? new Date(this.#since)).toISOString(),
      ...(error !== undefined && { error }),
      ...(notAfter && { certificateUntil: notAfter.toISOString() }),
    };
  }
}

/** By name. */
export function describeSlots(states: readonly SlotState[]): SlotStatus[] {
  return states.map(({ isReady: ready, ...rest }) => ({ ...rest, ready })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
