import type { ConfigsOnNodes } from '../../controller/config-statuses/config-reports.ts';
import { ConfigStatuses } from '../../controller/config-statuses/config-statuses.ts';
import type { ControllerEvent } from '../../controller/controller.ts';
import type { Pipeline } from '../../controller/pipeline/pipeline.ts';
import { type Action, isEnvoyConfig } from '../../kube/index.ts';
import { HOLDINGS_METHODS, type HoldingReport, NodeHoldingReports, type Outcome, type RpcServer } from '../../xds-server/serve/index.ts';

export interface ConfigPartsOptions {
  /** Where nodes connect to. */
  readonly rpc: RpcServer;
  readonly pipeline: () => Pick<Pipeline, 'takeConfigStates' | 'agentNodes'>;
  /** Told what Envoys make of resources, also of nodes that other replicas serve, where this one leads. */
  readonly onOutcome: (outcome: Outcome) => void;
  /** Told when there may be actions to take. */
  readonly onDue: () => void;
}

/** From CiliumEnvoyConfigs, and what nodes say of them, to their statuses. */
export class ConfigParts implements Disposable {
  readonly #options: ConfigPartsOptions;
  readonly #statuses: ConfigStatuses;
  readonly #reports: NodeHoldingReports;

  constructor(options: ConfigPartsOptions) {
    this.#options = options;
    const { rpc, onDue } = options;
    const statuses = new ConfigStatuses({ onDue });
    this.#statuses = statuses;
    this.#reports = new NodeHoldingReports({
      rpc,
      onReport: (node, report) => this.#noteReport(node, report),
      onOver: (node) => statuses.noteSilence(node),
    });
    rpc.add(HOLDINGS_METHODS, this.#reports);
  }

  /** To be called after each change. */
  take(event: ControllerEvent): void {
    if (event.kind === 'changed') {
      for (const object of event.batch.upserts) if (isEnvoyConfig(object)) this.#statuses.put(object);
      for (const ref of event.batch.removals) this.#statuses.delete(ref);
    }
    const pipeline = this.#options.pipeline();
    this.#statuses.setStates(pipeline.takeConfigStates());
    this.#statuses.setNodes(pipeline.agentNodes());
  }

  /** What has become of each action since this was asked last; undefined for one that is gone. */
  takeActions(): readonly (readonly [key: string, action: Action | undefined])[] {
    return this.#statuses.takeActions();
  }

  /** What is known of what nodes have of configs. */
  onNodes(): ConfigsOnNodes | undefined {
    return this.#statuses.onNodes();
  }

  /** Configs of these kinds, and no others, are told in their statuses what becomes of them. */
  setStatusKinds(kinds: ReadonlySet<string>): void {
    this.#statuses.setKinds(kinds);
  }

  /** Whoever leads is told by agents what their Envoys have, and writes it into statuses. */
  setLeading(isLeading: boolean): void {
    this.#reports.take(isLeading);
    this.#statuses.setLeading(isLeading);
  }

  #noteReport(nodeId: string, report: HoldingReport | undefined): void {
    const changed = this.#statuses.noteHoldings(nodeId, report);
    const holding = this.#statuses.holdingOf(nodeId);
    for (const name of changed) {
      if (!report) continue;
      const told = { ...name, nodeId, removed: false };
      const refusal = holding?.refusal(name);
      const version = holding?.version(name);
      if (version !== undefined) this.#options.onOutcome({ ...told, outcome: 'held', version, message: '' });
      // Of what it has, that is a copy.
      if (refusal && refusal.version !== version) this.#options.onOutcome({ ...told, outcome: 'nack', ...refusal });
    }
  }

  [Symbol.dispose](): void {
    this.#statuses[Symbol.dispose]();
  }
}
