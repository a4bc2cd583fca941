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

  /** Undefined where nothing is steered, or nothing can be. */
  state(): SteeringNetworkState | undefined {
    return this.#network?.state();
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
