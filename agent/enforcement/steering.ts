import type { Datapath } from '../../bpf/datapath/index.ts';
import { errorOf } from '../error-of.ts';
import { TcpSockets } from '../netlink/index.ts';
import { LEG_MARKS, OPENED_FOR_PODS, SteeringNetwork, type SteeringNetworkEvent, type SteeringNetworkState } from '../network/index.ts';
import { PROXY_PORTS } from '../slots/proxy-ports.ts';
import { FailureOnce } from './failure-once.ts';

export interface SteeringOptions {
  readonly datapath: Datapath;
  /** Of this node: what its network was before stands in it. */
  readonly stateFolder: string;
  readonly onEvent: (event: SteeringNetworkEvent) => void;
  /** Told what could not be done, and is tried again. */
  readonly onFailure: (error: Error) => void;
}

/**
 * Envoy's sockets towards who opened a connection, and those for Services that listeners take, which it keeps without anybody: of which of their sides the
 * address is a pod's of this node.
 */
const ENDS_OF_PODS = [
  { side: 'local', mark: LEG_MARKS.ingressListener, mask: LEG_MARKS.mask },
  { side: 'remote', mark: LEG_MARKS.ingressListener, mask: LEG_MARKS.mask },
  { side: 'remote', mark: LEG_MARKS.egressListener, mask: LEG_MARKS.mask },
  { side: 'local', ...OPENED_FOR_PODS },
  { side: 'remote', ...OPENED_FOR_PODS },
] as const;

/** As the status of a node shows it. */
export type SteeringState = Pick<SteeringNetworkState, 'items' | 'restored' | 'failure'>;

/** Whether packets can be steered to Envoy on this node; its network is left alone until some are to be. */
export class Steering implements Disposable {
  readonly #options: SteeringOptions;
  #network: SteeringNetwork | undefined;
  /** A process before this one may have put older programs there. */
  #attachedTo: number | undefined;
  readonly #failure: FailureOnce;
  readonly #endingFailure: FailureOnce;

  constructor(options: SteeringOptions) {
    this.#options = options;
    this.#failure = new FailureOnce(options.onFailure);
    this.#endingFailure = new FailureOnce(options.onFailure);
  }

  /** Makes the node's network as steering needs it, if it is not. Where that fails, what is to be steered is dropped. */
  ensure(): void {
    const { datapath, stateFolder } = this.#options;
    try {
      this.#network ??= SteeringNetwork.open({ stateFolder, proxyPorts: PROXY_PORTS, onEvent: (event) => this.#onEvent(event) });
      const { ifindex, entryIfindex } = this.#network;
      if (this.#attachedTo !== ifindex || datapath.steering() !== ifindex) datapath.attachSteering(ifindex, entryIfindex);
      this.#attachedTo = ifindex;
      this.#failure.over();
    } catch (cause) {
      this.#failure.note(cause);
    }
  }

  /**
   * Ends what Envoy has open with pods of this node that are gone. Without Envoy their clients would hear of it by the pod's own end; Envoy has no
   * connection to a pod that serves nothing at the moment, and would keep clients', and those that gone pods opened.
   */
  endConnectionsOf(addresses: readonly string[]): void {
    if (addresses.length === 0 || !this.#network) return;
    try {
      using sockets = TcpSockets.open();
      for (const address of addresses) {
        for (const { side, mark, mask } of ENDS_OF_PODS) sockets.destroyAll({ mark, mask, end: { side, address } });
      }
      this.#endingFailure.over();
    } catch (cause) {
      this.#endingFailure.note(cause);
    }
  }

  /** Undefined where nothing is to be steered. */
  state(): SteeringState | undefined {
    const failure = this.#failure.message;
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
