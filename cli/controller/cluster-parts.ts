import { once } from 'node:events';
import { INGRESS_MARKS, OPENED_FOR_PODS } from '../../agent/network/index.ts';
import type { ClusterStatus } from '../../controller/admin/status.ts';
import { clusterPlacement, SHARED_NODE_PORTS } from '../../ingress-controller/index.ts';
import {
  ApiServerSource,
  ENVOY_CONFIG_RESOURCES,
  MONOTONIC_CLOCK,
  POLICY_RESOURCES,
  type ReflectorEvent,
  WATCHED_RESOURCES,
} from '../../kube/index.ts';
import { objectKey } from '../../model/index.ts';
import type { Authority } from '../../pki/index.ts';
import { logsRequests } from '../../settings/index.ts';
import { type ClientStatus, RpcServer } from '../../xds-server/serve/index.ts';
import { configTrying } from '../config-trying.ts';
import { ControlParts } from '../control/control-parts.ts';
import type { RoleStatus } from '../control/control-view.ts';
import type { LogEntry } from '../log.ts';
import { ConfigParts } from './config-parts.ts';
import { LeaderDuties } from './leader-duties.ts';
import { NodesGrace } from './nodes-grace.ts';
import { PolicyParts } from './policy-parts.ts';
import { untilProgrammed } from './programmed.ts';
import type { ControllerRunOptions } from './run-controller.ts';

/** By which agents reach controllers: `manifests/install.yaml`. */
const CONTROLLER_SERVICE = 'sluice-controller';
/** Nodes serve on all their addresses. */
const ANY_ADDRESS = '::';

/** Everything that a replica of the controller consists of, joined together and at rest. */
export class ClusterParts {
  readonly control: ControlParts;
  readonly duties: LeaderDuties;
  /** Undefined where policies are not enforced. */
  readonly policy: PolicyParts | undefined;
  /** The same: what configs do is bound by policies. */
  readonly configs: ConfigParts | undefined;
  #isListening = false;
  readonly #options: ControllerRunOptions;
  readonly #source: ApiServerSource;
  readonly #grace = new NodesGrace({ clock: MONOTONIC_CLOCK, onOver: () => this.control.noteFindings() });

  /** @param authority who signs for nodes, once it is known */
  constructor(options: ControllerRunOptions, authority: () => Promise<Authority>) {
    this.#options = options;
    const { client, namespace, podName, settings, log } = options;
    const isPoliced = settings.policy.enabled;
    const resources = [...WATCHED_RESOURCES, ...(isPoliced ? [...POLICY_RESOURCES, ...ENVOY_CONFIG_RESOURCES] : [])];
    this.#source = new ApiServerSource(client, { resources, onEvent: (event) => this.#tellReading(event) });
    const rpc = new RpcServer();
    this.policy = isPoliced
      ? new PolicyParts({
          settings,
          rpc,
          ownNamespace: namespace,
          controllerService: { namespace, name: CONTROLLER_SERVICE },
          publish: (change) => this.control.controller.publish(change),
          onPublished: (taken) => this.control.notePublished(taken),
          publishedVersion: (name) => this.control.cache.get(name)?.version,
          onChange: () => this.#onPolicy(),
        })
      : undefined;
    this.configs = isPoliced
      ? new ConfigParts({
          rpc,
          pipeline: () => this.control.pipeline,
          onOutcome: (outcome) => this.control.controller.onOutcome(outcome),
          onDue: () => this.duties.takeActions(),
        })
      : undefined;
    // Nothing else here runs an Envoy, so there is one where somebody has put it.
    const trying = configTrying(settings, process.env['SLUICE_ENVOY']);
    this.control = new ControlParts({
      source: this.policy?.split(this.#source) ?? this.#source,
      rpc,
      pipeline: {
        settings,
        logsRequests: logsRequests(settings),
        placement: (ingress) => clusterPlacement(ingress, namespace),
        ...(isPoliced && { ingressMarks: INGRESS_MARKS }),
        ...(isPoliced && settings.policy.services && { clientMark: OPENED_FOR_PODS.mark }),
        ports: { address: ANY_ADDRESS, ...SHARED_NODE_PORTS, reserved: [] },
      },
      servesNodes: true,
      extendViews: (views, cache) => this.policy?.extendViews(views, cache) ?? views,
      log,
      ...(trying && { trying }),
      describeRole: (clients) => this.#describeRole(clients),
      configsOnNodes: () => this.configs?.onNodes(),
      takesOutcome: (outcome) => this.policy?.noteOutcome(outcome) ?? false,
      otherDiagnostics: () => [...this.duties.diagnostics(), ...(this.policy?.diagnostics() ?? [])],
      holdsBack: (diagnostic) => this.#grace.holdsBack(diagnostic),
      onEvent: (event) => {
        const { controller, pipeline } = this.control;
        if (controller.isUpToDate) this.policy?.takeListeners(pipeline.takeListeners());
        this.configs?.take(event);
        if (pipeline.servingNodes().size > 0) this.#grace.end();
        this.duties.takeActions();
      },
      onFindings: (diagnostics) => this.duties.takeFindings(diagnostics),
      countOtherObjects: () => this.policy?.countObjects() ?? {},
    });
    this.policy?.measure(this.control.metrics);
    this.duties = new LeaderDuties({
      client,
      namespace,
      podName,
      pipeline: this.control.pipeline,
      policy: this.policy,
      configs: this.configs,
      authority,
      programmed: () => untilProgrammed(this.control),
      onDiagnostics: () => this.control.noteFindings(),
      log,
    });
  }

  /** From now on nodes can connect. */
  noteListening(): void {
    this.#isListening = true;
    this.#grace.begin();
  }

  /** Resolves once there is something to serve. @throws the signal's reason */
  async untilPublished(signal: AbortSignal): Promise<void> {
    if (this.control.cache.isReady) return;
    const published = new EventTarget();
    const unwatch = this.control.cache.watch(() => published.dispatchEvent(new Event('published')));
    try {
      await once(published, 'published', { signal });
    } finally {
      unwatch();
    }
  }

  #onPolicy(): void {
    this.duties.takeActions();
    this.control.noteFindings();
  }

  #describeRole(_clients: readonly ClientStatus[]): RoleStatus {
    const notReady = this.#obstacle();
    return { role: 'controller', cluster: this.#describeCluster(), ...(notReady !== undefined && { notReady }) };
  }

  #obstacle(): string | undefined {
    if (this.#isListening) return undefined;
    const unread = this.#source.state().find(({ synced }) => !synced);
    if (unread) return `${unread.kind} is not read yet${unread.error ? `: ${unread.error.message}` : ''}`;
    return this.control.cache.isReady ? 'there is no authority yet to make certificates' : 'Secrets are not read yet';
  }

  #describeCluster(): ClusterStatus {
    const { leader, isLeading, writes } = this.duties;
    const idleNodes = this.control.pipeline.idleNodes();
    return {
      namespace: this.#options.namespace,
      ...(leader !== undefined && { leader }),
      isLeader: isLeading,
      ...(idleNodes.length > 0 && { idleNodes: [...idleNodes] }),
      kinds: this.#source.state().map(({ kind, synced, error }) => ({ kind, synced, ...(error && { error: error.message }) })),
      pendingWrites: isLeading ? writes.pending : 0,
      failingWrites: writes.failing.map(({ action, reason }) => ({ what: `${action.kind} ${objectKey(action.ref)}`, reason })),
    };
  }

  #tellReading(event: ReflectorEvent): void {
    const entry = readingEntry(event);
    if (entry) this.#options.log(entry);
  }
}

/** A watch that the server ended is as it should be. */
function readingEntry({ kind, type, error }: ReflectorEvent): LogEntry | undefined {
  if (type === 'ended') return undefined;
  if (type === 'absent') return { level: 'info', event: 'absent', text: `${kind}: the API server has no such kind` };
  if (type === 'listed') return { level: 'info', event: 'listed', text: kind };
  return { level: 'warn', event: 'lost', text: `${kind}: ${error?.message ?? 'no reason given'}; trying again, what was read stands` };
}
