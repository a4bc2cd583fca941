import {
  type LinkAddress,
  type Neighbour,
  type NetworkLink,
  type Route,
  readAddress,
  readLink,
  readNeighbour,
  readRoute,
} from './entries.ts';
import { type Message, readMessages } from './message.ts';
import { NetlinkError } from './netlink-error.ts';
import { MESSAGE_TYPES } from './route-netlink.ts';
import { NetlinkSocket } from './socket.ts';

/** Something that came, changed or went. */
export type RouteChange =
  | { readonly kind: 'link'; readonly isGone: boolean; readonly link: NetworkLink }
  | { readonly kind: 'address'; readonly isGone: boolean; readonly address: LinkAddress }
  | { readonly kind: 'neighbour'; readonly isGone: boolean; readonly neighbour: Neighbour }
  | { readonly kind: 'route'; readonly isGone: boolean; readonly route: Route };

export const TOPICS = { link: [1], neighbour: [3], address: [5, 9], route: [7, 11] } as const satisfies Readonly<
  Record<RouteChange['kind'], readonly number[]>
>;

export interface RouteMonitorOptions {
  readonly topics: readonly RouteChange['kind'][];
  /**
   * Whether to be told of the namespaces that this one has a number for, too, which needs CAP_NET_BROADCAST. Default: false.
   */
  readonly allNamespaces?: boolean;
  /** How much may wait to be read, in bytes. Default: 1 MiB, as far as the kernel's limit allows. */
  readonly receiveBuffer?: number;
  /** @param namespace that it is of, as {@link NetworkLink.lowerNamespace} has it; undefined for this one */
  readonly onChange: (change: RouteChange, namespace: number | undefined) => void;
  /** Changes were lost: all that is known is to be read again. */
  readonly onOverrun: () => void;
}

const RECEIVE_BUFFER = 1024 * 1024;

/** Tells what changes in the network of the thread that opens it, until it is disposed of. Does not keep the process. */
export class RouteMonitor implements Disposable {
  /** Whether other namespaces are listened to. */
  readonly hearsAllNamespaces: boolean;
  readonly #socket: NetlinkSocket;
  readonly #options: RouteMonitorOptions;

  /** @throws NetlinkError `unavailable`, `refused` */
  constructor(options: RouteMonitorOptions) {
    this.#options = options;
    this.#socket = NetlinkSocket.open();
    this.hearsAllNamespaces = options.allNamespaces === true && this.#socket.enable('listenAllNamespaces');
    this.#socket.setReceiveBuffer(options.receiveBuffer ?? RECEIVE_BUFFER);
    for (const topic of options.topics) for (const group of TOPICS[topic]) this.#socket.join(group);
    this.#socket.onReadable(() => this.#read());
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #read(): void {
    try {
      for (let datagram = this.#socket.receive(); datagram !== undefined; datagram = this.#socket.receive()) {
        if (datagram === 'overrun') this.#options.onOverrun();
        else for (const message of readMessages(datagram.bytes)) this.#tell(message, datagram.namespace);
      }
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code === 'refused') throw error;
      // A callback may have closed it; what could not be understood may have mattered.
      if (error.code !== 'closed') this.#options.onOverrun();
    }
  }

  #tell(message: Message, namespace: number | undefined): void {
    const change = readChange(message);
    if (change !== undefined) this.#options.onChange(change, namespace);
  }
}

/** Undefined for what is none, or of another family. @throws NetlinkError `malformed` */
export function readChange({ type, body }: Message): RouteChange | undefined {
  switch (type) {
    case MESSAGE_TYPES.newLink:
    case MESSAGE_TYPES.deleteLink:
      return { kind: 'link', isGone: type === MESSAGE_TYPES.deleteLink, link: readLink(body) };
    case MESSAGE_TYPES.newAddress:
    case MESSAGE_TYPES.deleteAddress: {
      const address = readAddress(body);
      return address && { kind: 'address', isGone: type === MESSAGE_TYPES.deleteAddress, address };
    }
    case MESSAGE_TYPES.newNeighbour:
    case MESSAGE_TYPES.deleteNeighbour: {
      const neighbour = readNeighbour(body);
      return neighbour && { kind: 'neighbour', isGone: type === MESSAGE_TYPES.deleteNeighbour, neighbour };
    }
    case MESSAGE_TYPES.newRoute:
    case MESSAGE_TYPES.deleteRoute: {
      const route = readRoute(body);
      return route && { kind: 'route', isGone: type === MESSAGE_TYPES.deleteRoute, route };
    }
    default:
      return undefined;
  }
}
