import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { ACCESS_LOG_METHODS, AccessLogIntake, type EnvoyEvent, type EnvoyProcess, NodeFlows, type StateFolder } from '../../agent/index.ts';
import { INGRESS_MARKS, OPENED_FOR_PODS } from '../../agent/network/index.ts';
import type { NodeHolding } from '../../controller/config-statuses/progress.ts';
import { FolderSource } from '../../kube/index.ts';
import { logsRequests } from '../../settings/index.ts';
import { type ClientStatus, type ResourceName, RpcServer, SLOT_TYPE, SnapshotCache } from '../../xds-server/serve/index.ts';
import { describeSlots } from '../agent/agent-view.ts';
import { createChildEnvoy } from '../child-envoy.ts';
import { configTrying } from '../config-trying.ts';
import { ControlParts } from '../control/control-parts.ts';
import type { RoleStatus } from '../control/control-view.ts';
import type { Enforcement } from '../enforcer/enforcement.ts';
import { describeEnforcement } from '../enforcer/enforcer-view.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { envoyEntry } from '../envoy-events.ts';
import { EnvoyState } from '../envoy-state.ts';
import { flowFailure } from '../flow-failure.ts';
import { includeServices } from '../node-metrics.ts';
import { readVersions } from '../version.ts';
import type { RunOptions } from './run.ts';
import { RunPolicy } from './run-policy.ts';

/** Everything that a run consists of, joined together and at rest. */
export class RunParts {
  readonly nodeId: string;
  readonly control: ControlParts;
  /** Undefined where policies are not enforced. */
  readonly policy: RunPolicy | undefined;
  /** Of requests alone where policies are not enforced; undefined where the settings say that none are remembered. */
  readonly flows: NodeFlows | undefined;
  readonly envoy: EnvoyProcess;
  readonly envoyState: EnvoyState;
  readonly #options: RunOptions;
  #enforcement: Enforcement | undefined;

  constructor(options: RunOptions, state: StateFolder) {
    this.#options = options;
    const { log, settings, address, httpPort, httpsPort, adminPort, manifests, enforce } = options;
    this.nodeId = enforce?.nodeName ?? hostname();
    const rpc = new RpcServer();
    const source = new FolderSource(manifests);
    const logs = new AccessLogIntake(flowFailure(log));
    rpc.add(ACCESS_LOG_METHODS, logs);
    this.policy = enforce && new RunPolicy({ ...enforce, settings, state, rpc, logs, log, control: () => this.control });
    this.flows = this.policy ? this.policy.flows : this.#requestFlows(logs);
    const trying = configTrying(settings, envoyBinary());
    this.control = new ControlParts({
      source: this.policy?.split(source) ?? source,
      rpc,
      takesOutcome: (outcome) => this.policy?.parts.noteOutcome(outcome) ?? false,
      otherDiagnostics: () => this.policy?.parts.diagnostics() ?? [],
      pipeline: {
        settings,
        logsRequests: logsRequests(settings),
        ownNode: this.nodeId,
        ...(enforce && { ingressMarks: INGRESS_MARKS }),
        ...(enforce && settings.policy.services && { clientMark: OPENED_FOR_PODS.mark }),
        ports: { address, http: httpPort, https: httpsPort, reserved: [adminPort] },
      },
      log,
      ...(trying && { trying }),
      describeRole: (clients) => this.#describeRole(clients),
      countOtherObjects: () => this.policy?.parts.countObjects() ?? {},
      configsOnNodes: () => ({ nodesOf: () => [this.nodeId], holdingOf: () => this.#holding() }),
      onEvent: () => {
        const { controller, pipeline } = this.control;
        if (controller.isUpToDate) this.policy?.parts.takeListeners(pipeline.takeListeners());
      },
    });
    this.envoyState = new EnvoyState(readVersions().envoy);
    this.envoy = createChildEnvoy({
      state,
      settings: settings.envoy,
      nodeId: this.nodeId,
      onEvent: (event) => this.#onEnvoyEvent(event),
    });
    this.policy?.parts.measure(this.control.metrics);
    includeServices(this.control.metrics, this.envoy.admin, settings.metrics);
  }

  /** Nobody knows more of an address than what it is. */
  #requestFlows(logs: AccessLogIntake): NodeFlows | undefined {
    const { settings, log } = this.#options;
    const { enabled, capacity } = settings.flows;
    if (!enabled) return undefined;
    const about = { node: this.nodeId, version: readVersions().sluice, onFailure: flowFailure(log) };
    const flows = new NodeFlows({ ...about, capacity, cache: new SnapshotCache() });
    logs.add(flows.ofEnvoy);
    return flows;
  }

  /**
   * Begins to enforce policies, if they are to be.
   * @throws DatapathError or NetlinkError where this machine cannot enforce anything
   */
  async startEnforcing(): Promise<void> {
    this.#enforcement = await this.policy?.start();
  }

  /** What its Envoy has, as agents tell it. */
  #holding(): NodeHolding {
    const { cache, server } = this.control;
    const slots = this.policy?.holdings();
    const standing = (name: ResourceName) => {
      const version = cache.get(name)?.version;
      return version === undefined ? undefined : { version, ...server.standing(name, version) };
    };
    return {
      version: (name) => {
        if (name.typeUrl === SLOT_TYPE) return slots?.accepted.get(name.name);
        const found = standing(name);
        return found?.kind === 'accepted' ? found.version : undefined;
      },
      refusal: (name) => {
        if (name.typeUrl === SLOT_TYPE) return slots?.refused.get(name.name);
        const found = standing(name);
        return found?.kind === 'refused' ? { version: found.version, message: found.message } : undefined;
      },
    };
  }

  #describeRole(clients: readonly ClientStatus[]): RoleStatus {
    const { manifests, address, httpPort, httpsPort } = this.#options;
    const notReady = this.#obstacle(clients);
    return {
      role: 'run',
      manifests: resolve(manifests),
      entry: { address, httpPort, httpsPort },
      envoy: this.envoyState.describe(),
      ...(this.#enforcement && { enforcement: describeEnforcement(this.#enforcement) }),
      ...(this.policy && { slots: describeSlots(this.policy.slots()) }),
      ...(this.flows && { flows: this.flows.state() }),
      ...(notReady !== undefined && { notReady }),
    };
  }

  /** Why requests are not served as the manifests have it; undefined where they are. */
  #obstacle(clients: readonly ClientStatus[]): string | undefined {
    if (!this.control.cache.isReady) return 'the manifests are not read yet';
    const { envoyState } = this;
    if (envoyState.isLive && envoyState.servesFirstSnapshot)
      return this.policy && !this.#isEnforced ? 'policies are not in force yet' : undefined;
    if (envoyState.describe().pid === undefined) return 'Envoy does not run';
    const pending = clients.flatMap(({ types }) => types).reduce((sum, type) => sum + type.pending, 0);
    return pending > 0 ? `Envoy has ${pending} resources still to acknowledge` : 'Envoy is on its way';
  }

  get #isEnforced(): boolean {
    return this.#enforcement?.subscriber.state().isSynced ?? false;
  }

  #onEnvoyEvent(event: EnvoyEvent): void {
    this.envoyState.note(event);
    this.#options.log(envoyEntry(event));
  }
}
