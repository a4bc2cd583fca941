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
import { NetlinkExchange } from './exchange.ts';
import { encodeAttribute, type Message } from './message.ts';

export const MESSAGE_TYPES = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  deleteNeighbour: 29,
  getNeighbour: 30,
} as const;

const IFLA_TARGET_NETNSID = 46;
const IFA_TARGET_NETNSID = 10;
const FIXED_BYTES = { link: 16, address: 8, neighbour: 12, route: 12 } as const;

interface Namespace {
  /** As this network namespace numbers another, see {@link NetworkLink.lowerNamespace}. Default: this one. */
  readonly namespace?: number;
}

/**
 * What the kernel knows of a network, asked for and answered at once. That of other namespaces needs CAP_NET_ADMIN, and neither a mount nor
 * a process of theirs. What it throws are NetlinkErrors: `refused` with `EINVAL` for a namespace that is gone, `interrupted`, `malformed`, `closed`.
 */
export class RouteNetlink implements Disposable {
  readonly #exchange: NetlinkExchange;

  private constructor(exchange: NetlinkExchange) {
    this.#exchange = exchange;
  }

  /** @throws NetlinkError `unavailable`, `refused` for a kernel before 4.20 */
  static open(): RouteNetlink {
    return new RouteNetlink(NetlinkExchange.open('route'));
  }

  links({ namespace }: Namespace = {}): readonly NetworkLink[] {
    const attributes = namespace === undefined ? [] : [encodeAttribute(IFLA_TARGET_NETNSID, namespace)];
    return this.#dump(MESSAGE_TYPES.getLink, FIXED_BYTES.link, attributes, MESSAGE_TYPES.newLink).map(({ body }) => readLink(body));
  }

  addresses({ namespace }: Namespace = {}): readonly LinkAddress[] {
    const attributes = namespace === undefined ? [] : [encodeAttribute(IFA_TARGET_NETNSID, namespace)];
    const messages = this.#dump(MESSAGE_TYPES.getAddress, FIXED_BYTES.address, attributes, MESSAGE_TYPES.newAddress);
    return messages.map(({ body }) => readAddress(body)).filter((address) => address !== undefined);
  }

  neighbours(): readonly Neighbour[] {
    const messages = this.#dump(MESSAGE_TYPES.getNeighbour, FIXED_BYTES.neighbour, [], MESSAGE_TYPES.newNeighbour);
    return messages.map(({ body }) => readNeighbour(body)).filter((neighbour) => neighbour !== undefined);
  }

  /** Of all tables. */
  routes(): readonly Route[] {
    const messages = this.#dump(MESSAGE_TYPES.getRoute, FIXED_BYTES.route, [], MESSAGE_TYPES.newRoute);
    return messages.map(({ body }) => readRoute(body)).filter((route) => route !== undefined);
  }

  [Symbol.dispose](): void {
    this.#exchange[Symbol.dispose]();
  }

  #dump(type: number, fixedBytes: number, attributes: readonly Uint8Array[], answers: number): readonly Message[] {
    return this.#exchange.dump(type, Buffer.concat([new Uint8Array(fixedBytes), ...attributes]), answers);
  }
}
