import { NodeEnforcement } from '../../agent/enforcement/node-enforcement.ts';
import { NodeIngress } from '../../agent/enforcement/node-ingress.ts';
import { NodeServices } from '../../agent/enforcement/node-services.ts';
import { Steering } from '../../agent/enforcement/steering.ts';
import { TcpSockets } from '../../agent/netlink/index.ts';
import type { NetworkItem } from '../../agent/network/index.ts';
import { Datapath, findRootCgroup, ServiceDatapath } from '../../bpf/datapath/index.ts';
import { ENFORCER, Subscriber, type SubscriberEvent, type UpstreamAddress } from '../../xds-server/relay/index.ts';

export interface EnforcementOptions {
  /** The relay of this node. */
  readonly upstream: UpstreamAddress;
  readonly nodeName: string;
  /** In a BPF file system, for this node alone. */
  readonly pinFolder: string;
  /** Of this node: what its network was before it was changed stands in it. */
  readonly stateFolder: string;
  /** The cgroup of all processes of the node. Default: the root, looked for when it is needed. */
  readonly cgroup?: string;
  readonly onEvent: (event: EnforcementEvent) => void;
}

export type EnforcementEvent =
  | SubscriberEvent
  /** Everything that this node is to enforce is in its kernel. */
  | { readonly kind: 'in-force' }
  /** Somebody else had changed what steering needs of the node's network; it is again as it was. */
  | { readonly kind: 'restored'; readonly items: readonly NetworkItem[] }
  | { readonly kind: 'failed'; readonly error: Error };

/** How often the kernel is compared with what was written to it. */
const RECONCILE_MS = 60_000;

/** Has policy enforced by the kernel of this node. What is in force stays when it ends. */
export class Enforcement implements AsyncDisposable {
  readonly datapath: Datapath;
  readonly node: NodeEnforcement;
  readonly services: NodeServices;
  readonly steering: Steering;
  readonly ingress: NodeIngress;
  readonly subscriber: Subscriber;
  readonly #timer: NodeJS.Timeout;
  readonly #connections: TcpSockets;

  private constructor(datapath: Datapath, options: EnforcementOptions) {
    const { upstream, nodeName, pinFolder, stateFolder, cgroup, onEvent } = options;
    const onFailure = (error: Error) => onEvent({ kind: 'failed', error });
    this.datapath = datapath;
    this.services = new NodeServices({
      pinFolder,
      open: () => ServiceDatapath.open({ pinFolder }),
      findCgroup: () => cgroup ?? findRootCgroup(),
      onFailure,
    });
    this.steering = new Steering({ datapath, stateFolder, onEvent: (event) => event.kind !== 'device' && onEvent(event), onFailure });
    this.#connections = TcpSockets.open();
    this.ingress = new NodeIngress({
      sockets: datapath.ingress,
      connections: this.#connections,
      steering: this.steering,
      findCgroup: () => cgroup ?? findRootCgroup(),
      onFailure,
    });
    this.node = new NodeEnforcement({
      datapath,
      connections: this.#connections,
      services: this.services,
      steering: this.steering,
      ingress: this.ingress,
      onFailure,
    });
    this.subscriber = new Subscriber({
      upstream,
      kind: ENFORCER,
      nodeId: nodeName,
      apply: (change) => this.node.apply(change),
      onSynced: () => void this.#reconcile().then(() => onEvent({ kind: 'in-force' })),
      onEvent,
    });
    this.#timer = setInterval(() => void this.#reconcile(), RECONCILE_MS);
    this.#timer.unref();
  }

  /**
   * Follows the relay from now on. What was in force before stays, until it is known what else is to be.
   * @throws DatapathError or NetlinkError where this node cannot enforce anything
   */
  static async start(options: EnforcementOptions): Promise<Enforcement> {
    const datapath = await Datapath.open({ pinFolder: options.pinFolder });
    try {
      const enforcement = new Enforcement(datapath, options);
      enforcement.subscriber.start();
      return enforcement;
    } catch (error) {
      datapath[Symbol.dispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.subscriber.close();
    await this.node[Symbol.asyncDispose]();
    this.#connections[Symbol.dispose]();
    this.datapath[Symbol.dispose]();
  }

  /** Before everything was told, what is in the kernel may be all that there is of the rest. */
  async #reconcile(): Promise<void> {
    if (this.subscriber.state().isSynced) await this.node.reconcile();
  }
}
