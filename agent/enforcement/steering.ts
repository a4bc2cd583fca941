import type { Datapath } from '../../bpf/datapath/index.ts';
import { SteeringNetwork, type SteeringNetworkEvent, type SteeringNetworkState } from '../network/index.ts';
import { PROXY_PORTS } from '../slots/proxy-ports.ts';
import { errorOf } from './enforcement-error.ts';

export interface SteeringOptions {
  readonly datapath: Datapath;
  /** Of this node: what its network was before stands in it. */
  readonly stateFolder: string;
  readonly onEvent: (event: SteeringNetworkEvent) => void;
  /** Told what could not be done, and is tried again. */
  readonly onFailure: (error: Error) => void;
}

/** As the status of a node shows it. */
export type SteeringState = Pick<SteeringNetworkState, 'items' | 'restored' | 'failure'>;

/** Whether packets can be steered to Envoy on this node; its network is left alone until some are to be. */
export class Steering implements Disposable {
  readonly #options: SteeringOptions;
  #network: SteeringNetwork | undefined;
  #failure: string | undefined;

  constructor(options: SteeringOptions) {
    this.#options = options;
  }

  /** Makes the node's network as steering needs it, if it is not. Where that fails, what is to be steered is dropped. */
  ensure(): void {
    const { datapath, stateFolder, onFailure } = this.#options;
    try {
      this.#network ??= SteeringNetwork.open({ stateFolder, proxyPorts: PROXY_PORTS, onEvent: (event) => this.#onEvent(event) });
      if (datapath.steering() !== this.#network.ifindex) datapath.attachSteering(this.#network.ifindex);
      this.#failure = undefined;
    } catch (cause) {
      const error = errorOf(cause);
      if (error.message !== this.#failure) onFailure(error);
      this.#failure = error.message;
    }
  }

  /** Undefined where nothing is to be steered. */
  state(): SteeringState | undefined {
    const failure = this.#failure;
    if (!this.#network) return failure === undefined ? undefined : { items: [], restored: 0, failure };
    try {
      return { ...(failure !== undefined && { failure }), ...this.#network.state() };
    } catch (cause) {
      return { items: [], restored: 0, failure: errorOf(cause).message };
    }
  }

  /** What is in force stays. */
  [Symbol.dispose](): void {
    this.#network?.[Symbol.dispose]();
  }

  #onEvent(event: SteeringNetworkEvent): void {
    this.#options.onEvent(event);
    if (event.kind === 'device') this.ensure();
  }
}
