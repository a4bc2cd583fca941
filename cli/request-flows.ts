import { type AccessLogIntake, type FlowsState, NodeFlows } from '../agent/index.ts';
import type { FlowLosses, FlowRing } from '../flows/index.ts';
import { SnapshotCache } from '../xds-server/serve/index.ts';
import { readVersions } from './version.ts';

export interface RequestFlowsOptions {
  readonly node: string;
  /** How many flows are remembered. */
  readonly capacity: number;
  /** Where Hubble's clients are to ask. */
  readonly socket: string;
  /** What the Envoy tells. */
  readonly logs: AccessLogIntake;
}

/** The last flows of an Envoy where no policies are enforced: of requests alone, and nobody knows more of an address than what it is. */
export class RequestFlows implements AsyncDisposable {
  readonly #flows: NodeFlows;
  readonly #socket: string;

  constructor({ node, capacity, socket, logs }: RequestFlowsOptions) {
    this.#flows = new NodeFlows({ node, version: readVersions().sluice, capacity, cache: new SnapshotCache() });
    this.#socket = socket;
    logs.add(this.#flows.hearEnvoy);
  }

  /** Answers Hubble's clients. @throws XdsError `address-in-use` or `listen-failed` */
  async listen(): Promise<void> {
    await this.#flows.listen(this.#socket);
  }

  /** As that of {@link NodeFlows}. */
  readonly exportTo: NodeFlows['exportTo'] = async (options, onFailure) => await this.#flows.exportTo(options, onFailure);

  get ring(): FlowRing {
    return this.#flows.ring;
  }

  get losses(): FlowLosses {
    return this.#flows.losses;
  }

  state(): FlowsState {
    return this.#flows.state();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flows[Symbol.asyncDispose]();
  }
}
