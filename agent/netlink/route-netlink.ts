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
import { encodeAttribute, encodeRequest, IS_LITTLE_ENDIAN, type Message, readMessages } from './message.ts';
import { NetlinkError } from './netlink-error.ts';
import { NetlinkSocket } from './socket.ts';

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

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const IFLA_TARGET_NETNSID = 46;
const IFA_TARGET_NETNSID = 10;
const FIXED_BYTES = { link: 16, address: 8, neighbour: 12, route: 12 } as const;
/** A dump during which something changed may lack what is there all the time. */
const MOST_TRIES = 10;

interface Namespace {
  /** As this network namespace numbers another, see {@link NetworkLink.lowerNamespace}. Default: this one. */
  readonly namespace?: number;
}

/**
 * What the kernel knows of a network, asked for and answered at once. That of other namespaces needs CAP_NET_ADMIN, and neither a mount nor
 * a process of theirs. What it throws are NetlinkErrors: `refused` with `EINVAL` for a namespace that is gone, `interrupted`, `malformed`, `closed`.
 */
export class RouteNetlink implements Disposable {
  readonly #socket: NetlinkSocket;
  #sequence = 0;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** @throws NetlinkError `unavailable`, `refused` for a kernel before 4.20 */
  static open(): RouteNetlink {
    const socket = NetlinkSocket.open();
    // Without it the kernel ignores in a dump what it does not look at, such as the namespace.
    socket.enable('strictChecking');
    return new RouteNetlink(socket);
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
    this.#socket[Symbol.dispose]();
  }

  #dump(type: number, fixedBytes: number, attributes: readonly Uint8Array[], answers: number): readonly Message[] {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const messages = this.#ask(type, Buffer.concat([new Uint8Array(fixedBytes), ...attributes]));
      if (messages.every(({ flags }) => (flags & NLM_F_DUMP_INTR) === 0)) return messages.filter((message) => message.type === answers);
    }
    throw new NetlinkError('interrupted', `what was asked for changed ${MOST_TRIES} times meanwhile`);
  }

  #ask(type: number, body: Uint8Array): readonly Message[] {
    this.#sequence += 1;
    this.#socket.send(encodeRequest({ type, flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: this.#sequence, body }));
    const found: Message[] = [];
    for (;;) {
      // The kernel answers while it is asked, so there is nothing to wait for.
      const datagram = this.#socket.receive();
      if (datagram === undefined || datagram === 'overrun') throw new NetlinkError('malformed', 'an answer has no end');
      for (const message of readMessages(datagram.bytes)) {
        if (message.sequence !== this.#sequence) continue;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          assertNoError(message);
          // What interrupted the last part stands with the end.
          return [...found, message];
        }
        found.push(message);
      }
    }
  }
}

function assertNoError({ body }: Message): void {
  const errno = body.byteLength < 4 ? 0 : -body.getInt32(0, IS_LITTLE_ENDIAN);
  if (errno > 0) throw new NetlinkError('refused', 'the kernel does not tell', errno);
}
