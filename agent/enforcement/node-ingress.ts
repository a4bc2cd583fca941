import { isIPv6 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { IngressClient, IngressSockets } from '../../bpf/datapath/index.ts';
import { type Direction, type Identity, type ObjectRef, objectKey, type PodEndpoint } from '../../model/index.ts';
import type { TcpSocket, TcpSockets } from '../netlink/index.ts';
import { INGRESS_MARKS, LEG_MARKS, ledSlotOf, OPENED_FOR_INGRESSES, slotPortOf } from '../network/index.ts';
import { FailureOnce } from './failure-once.ts';
import type { Steering } from './steering.ts';

export interface NodeIngressOptions {
  readonly sockets: Pick<IngressSockets, 'setClient' | 'attach' | 'isPoliced' | 'judge' | 'judgeClients'>;
  /** By which answers get to Envoy. */
  readonly steering: Pick<Steering, 'ensure'>;
  /** The cgroup of all processes of the node. @throws where there is none */
  readonly findCgroup: () => string;
  /** Of the node. */
  readonly connections: Pick<TcpSockets, 'list' | 'destroy'>;
  /** Told what could not be done, and is tried again. */
  readonly onFailure: (error: Error) => void;
}

/** As the status of a node shows it. */
export interface IngressState {
  /** Of the node's Ingresses; none where no pod of Sluice's gives any. */
  readonly addresses: readonly string[];
  /** The pod that has them. */
  readonly pod?: ObjectRef;
  /** Whether connections for Ingresses to pods fail without one. */
  readonly needsAddress: boolean;
  readonly failure?: string;
}

const LABEL = 'reserved:ingress';

/** Whose address connections have that Envoy opens for Ingresses on this node: docs/decisions/ingress-identity.md. */
export class NodeIngress {
  readonly #options: NodeIngressOptions;
  #pod: ObjectRef | undefined;
  /** Undefined before anything was told. */
  #client: IngressClient | undefined;
  #isInForce = false;
  /** Whether policy said where these may go, and who may come to them, as far as is known. */
  readonly #wasPoliced = { egress: true, ingress: true };
  readonly #failure: FailureOnce;
  readonly #endingFailure: FailureOnce;
  /** Addresses that Ingresses of this node may have connections with, and those that they had. */
  #held: ReadonlySet<string> = new Set();
  readonly #left = new Set<string>();
  /** Pods that have an address, those that came last at the end. */
  readonly #seen = new Set<string>();

  constructor(options: NodeIngressOptions) {
    this.#options = options;
    this.#failure = new FailureOnce(options.onFailure);
    this.#endingFailure = new FailureOnce(options.onFailure);
  }

  state(): IngressState {
    const { addresses = [], needsAddress = false } = this.#client ?? {};
    const failure = this.#failure.message;
    return {
      addresses,
      needsAddress,
      ...(this.#pod && { pod: this.#pod }),
      ...(failure !== undefined && { failure }),
    };
  }

  /**
   * Takes the one that came last of the pods that have an ingress address: the one before may be about to go.
   * @param pods whose doors are guarded
   */
  set(pods: readonly PodEndpoint[], labelsOf: (identity: Identity) => readonly string[] | undefined, needsAddress: boolean): void {
    const holders = pods.filter(({ identity }) => labelsOf(identity)?.includes(LABEL));
    const known = new Set(holders.map(keyOf));
    for (const key of this.#seen) if (!known.has(key)) this.#seen.delete(key);
    // A set has its members in the order in which they came.
    for (const key of known) this.#seen.add(key);
    const last = [...this.#seen].at(-1);
    const newest = holders.find((pod) => keyOf(pod) === last);
    this.#pod = newest?.pod;
    const addresses = newest ? firstOfEachFamily(newest.addresses) : [];
    this.#hold(new Set(holders.flatMap((pod) => pod.addresses)));
    const client = { addresses, needsAddress, ...(newest && { identity: newest.identity }) };
    if (this.#isInForce && isDeepStrictEqual(client, this.#client)) return;
    this.#client = client;
    this.#put(client);
  }

  /**
   * Ends what Envoy opened and policy, or who is who, does not allow any more in the way that it was opened. To be called after what changes either.
   */
  review(): void {
    if (this.#mayBeStale('egress')) this.#endStale();
  }

  /** The same of what it accepted, of which there may be much. To be called after policies change. */
  reviewAccepted(): void {
    if (this.#mayBeStale('ingress')) this.#endAccepted();
  }

  #mayBeStale(direction: Direction): boolean {
    const wasPoliced = this.#wasPoliced[direction];
    this.#wasPoliced[direction] = this.#options.sockets.isPoliced(direction);
    return wasPoliced || this.#wasPoliced[direction];
  }

  /** Tries again what failed, and puts the programs in the place of others. */
  reconcile(): void {
    if (this.#client) this.#put(this.#client);
  }

  #hold(addresses: ReadonlySet<string>): void {
    for (const address of this.#held) this.#left.add(address);
    for (const address of addresses) this.#left.delete(address);
    if (!isDeepStrictEqual(addresses, this.#held)) this.#isInForce = false;
    this.#held = addresses;
  }

  /**
   * Envoy keeps connections: nothing would come back by those whose address is gone, and no packet leaves by others that need one, or would be
   * opened in another way now: to another slot, to one or none while it is the other way round, or not at all.
   */
  #endStale(): void {
    const { connections, sockets } = this.#options;
    this.#ending(() => {
      const all = connections.list(OPENED_FOR_INGRESSES);
      const slots = sockets.judge(all.map(({ destination, destinationPort }) => ({ address: destination, port: destinationPort })));
      for (const [index, socket] of all.entries()) {
        if (this.#isSourceStale(socket) || slots[index] !== ledSlotOf(socket.mark)) connections.destroy(socket);
      }
    });
  }

  /** Nothing more passes by those whose clients have another slot by now, or none, and they would wait for it. */
  #endAccepted(): void {
    const { connections, sockets } = this.#options;
    this.#ending(() => {
      const all = connections.list({ mark: INGRESS_MARKS.server, mask: LEG_MARKS.mask });
      const slots = sockets.judgeClients(all.map(({ destination, sourcePort }) => ({ address: destination, port: sourcePort })));
      for (const [index, socket] of all.entries()) {
        const slot = slots[index];
        if (slot !== 'own-node' && slot !== slotPortOf(socket.mark)) connections.destroy(socket);
      }
    });
  }

  #ending(end: () => void): void {
    try {
      end();
      this.#endingFailure.over();
    } catch (cause) {
      this.#endingFailure.note(cause);
    }
  }

  #isSourceStale({ source }: TcpSocket): boolean {
    return !this.#held.has(source) && (this.#client?.needsAddress === true || this.#left.has(source));
  }

  #put(client: IngressClient): void {
    const { sockets, steering, findCgroup } = this.#options;
    try {
      if (client.addresses.length > 0) steering.ensure();
      sockets.setClient(client);
      sockets.attach(findCgroup());
      this.#isInForce = true;
      this.#failure.over();
    } catch (cause) {
      this.#isInForce = false;
      this.#failure.note(cause);
    }
    this.#endStale();
  }
}

function keyOf({ pod, uid }: PodEndpoint): string {
  return `${objectKey(pod)} ${uid}`;
}

function firstOfEachFamily(addresses: readonly string[]): readonly string[] {
  return [addresses.find((address) => !isIPv6(address)), addresses.find((address) => isIPv6(address))].filter((each) => each !== undefined);
}
