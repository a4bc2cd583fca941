import { type NetworkLink, readLink } from './entries.ts';
import { NetlinkExchange } from './exchange.ts';
import { encodeAttribute, IS_LITTLE_ENDIAN, nestAttributes, numberIn, readAttributes, viewOf } from './message.ts';
import { NetlinkError } from './netlink-error.ts';
import { MESSAGE_TYPES } from './route-netlink.ts';

/** A device, and what can be changed of it. */
export interface LinkState extends NetworkLink {
  readonly mtu: number;
  readonly usesArp: boolean;
}

export type IpFamily = 'ipv4' | 'ipv6';

/** Packets whose mark is `mark` in the bits of `mask` are looked up in `table`. */
export interface MarkRule {
  readonly family: IpFamily;
  /** A lower number is asked first. */
  readonly priority: number;
  readonly mark: number;
  readonly mask: number;
  readonly table: number;
}

/** Of all addresses. */
export interface DefaultRoute {
  readonly family: IpFamily;
  readonly table: number;
  /** `local`: every address is one of this machine; `unicast`: every address is a neighbour's, on the other side of the device. */
  readonly type: keyof typeof ROUTE_TYPES;
  /** Of `local`, the device that packets seem to have come by for those that ask where they come from: loopback. */
  readonly ifindex: number;
}

const AF = { ipv4: 2, ipv6: 10 } as const;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NEW_RULE = 32;
const DELETE_RULE = 33;
const GET_RULE = 34;

const LINK_BYTES = 16;
const IFF_UP = 0x1;
const IFF_NOARP = 0x80;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;

const ADDRESS_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_NOPREFIXROUTE = 0x200;

const RULE_BYTES = 12;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_PROTOCOL = 21;
const FR_ACT_TO_TBL = 1;

const ROUTE_BYTES = 12;
const RTA_OIF = 4;
const RTA_TABLE = 15;
const SCOPE_LINK = 253;
const SCOPE_HOST = 254;
/** With the scopes that they have for IPv4. */
const ROUTE_TYPES = { unicast: { number: 1, scope: SCOPE_LINK }, local: { number: 2, scope: SCOPE_HOST } } as const;
/** As what the kernel makes itself: others, such as systemd-networkd, take away what is nobody's. */
const RTPROT_KERNEL = 2;

/** Changes links, addresses, rules and routes of the network namespace of the thread that opens it, which needs CAP_NET_ADMIN. */
export class RouteEditor implements Disposable {
  readonly #exchange: NetlinkExchange;

  private constructor(exchange: NetlinkExchange) {
    this.#exchange = exchange;
  }

  /** @throws NetlinkError `unavailable` */
  static open(): RouteEditor {
    return new RouteEditor(NetlinkExchange.open('route'));
  }

  /** Undefined where there is no device of that name. @throws NetlinkError */
  findLink(name: string): LinkState | undefined {
    const body = Buffer.concat([linkHeader({}), encodeAttribute(IFLA_IFNAME, name)]);
    const found = this.#exchange.get(MESSAGE_TYPES.getLink, body, MESSAGE_TYPES.newLink);
    if (found === undefined) return undefined;
    const mtu = readAttributes(found.body, LINK_BYTES).get(IFLA_MTU);
    const flags = found.body.getUint32(8, IS_LITTLE_ENDIAN);
    return { ...readLink(found.body), mtu: mtu ? numberIn(mtu) : 0, usesArp: (flags & IFF_NOARP) === 0 };
  }

  /** Makes two devices, neither of them up. @throws NetlinkError `refused`, with `EEXIST` where one is there */
  addVeth(name: string, peer: string, mtu: number): void {
    const named = (own: string) => [encodeAttribute(IFLA_IFNAME, own), encodeAttribute(IFLA_MTU, mtu)];
    const other = nestAttributes(VETH_INFO_PEER, linkHeader({}), ...named(peer));
    const info = nestAttributes(IFLA_LINKINFO, encodeAttribute(IFLA_INFO_KIND, 'veth'), nestAttributes(IFLA_INFO_DATA, other));
    const body = Buffer.concat([linkHeader({}), ...named(name), info]);
    this.#exchange.change({ type: MESSAGE_TYPES.newLink, flags: NLM_F_CREATE | NLM_F_EXCL, body });
  }

  /** Brings a device up, without ARP. @throws NetlinkError `refused` */
  bringUp(ifindex: number, mtu: number): void {
    const body = Buffer.concat([linkHeader({ ifindex, flags: IFF_UP | IFF_NOARP }), encodeAttribute(IFLA_MTU, mtu)]);
    this.#exchange.change({ type: MESSAGE_TYPES.newLink, flags: 0, body });
  }

  /** @throws NetlinkError `refused` */
  deleteLink(ifindex: number): void {
    this.#exchange.change({ type: MESSAGE_TYPES.deleteLink, flags: 0, body: linkHeader({ ifindex }) });
  }

  /** Gives a device an address of IPv4 that is nobody's to talk from, and no route. @throws NetlinkError `refused` */
  addHostAddress(ifindex: number, address: string): void {
    const header = new Uint8Array(ADDRESS_BYTES);
    header.set([AF.ipv4, 32, 0, SCOPE_HOST]);
    viewOf(header).setUint32(4, ifindex, IS_LITTLE_ENDIAN);
    const bytes = Uint8Array.from(address.split('.'), Number);
    const attributes = [encodeAttribute(IFA_LOCAL, bytes), encodeAttribute(IFA_ADDRESS, bytes)];
    const body = Buffer.concat([header, ...attributes, encodeAttribute(IFA_FLAGS, IFA_F_NOPREFIXROUTE)]);
    this.#exchange.change({ type: MESSAGE_TYPES.newAddress, flags: NLM_F_CREATE | NLM_F_EXCL, body });
  }

  /** @throws NetlinkError */
  hasRule(rule: MarkRule): boolean {
    const body = new Uint8Array(RULE_BYTES);
    body[0] = AF[rule.family];
    return this.#exchange.dump(GET_RULE, body, NEW_RULE).some((message) => isRule(message.body, rule));
  }

  /** @throws NetlinkError `refused`, with `EEXIST` where it is there */
  addRule(rule: MarkRule): void {
    this.#exchange.change({ type: NEW_RULE, flags: NLM_F_CREATE | NLM_F_EXCL, body: encodeRule(rule) });
  }

  /** @throws NetlinkError `refused`, with `ENOENT` where it is not there */
  deleteRule(rule: MarkRule): void {
    this.#exchange.change({ type: DELETE_RULE, flags: 0, body: encodeRule(rule) });
  }

  /** @throws NetlinkError */
  hasRoute(route: DefaultRoute): boolean {
    const header = new Uint8Array(ROUTE_BYTES);
    header[0] = AF[route.family];
    const body = Buffer.concat([header, encodeAttribute(RTA_TABLE, route.table)]);
    try {
      const messages = this.#exchange.dump(MESSAGE_TYPES.getRoute, body, MESSAGE_TYPES.newRoute);
      return messages.some((message) => isRoute(message.body, route));
    } catch (error) {
      // Tables are there as long as they have routes.
      if (error instanceof NetlinkError && error.errnoName === 'ENOENT') return false;
      throw error;
    }
  }

  /** @throws NetlinkError `refused`, with `EEXIST` where it is there */
  addRoute(route: DefaultRoute): void {
    this.#exchange.change({ type: MESSAGE_TYPES.newRoute, flags: NLM_F_CREATE | NLM_F_EXCL, body: encodeRoute(route) });
  }

  /** @throws NetlinkError `refused`, with `ESRCH` or `ENOENT` where it is not there */
  deleteRoute(route: DefaultRoute): void {
    this.#exchange.change({ type: MESSAGE_TYPES.deleteRoute, flags: 0, body: encodeRoute(route) });
  }

  [Symbol.dispose](): void {
    this.#exchange[Symbol.dispose]();
  }
}

/** `struct ifinfomsg`, with which `flags` are set and no others changed. */
function linkHeader({ ifindex = 0, flags = 0 }: { readonly ifindex?: number; readonly flags?: number }): Uint8Array {
  const header = new Uint8Array(LINK_BYTES);
  const view = viewOf(header);
  view.setInt32(4, ifindex, IS_LITTLE_ENDIAN);
  view.setUint32(8, flags, IS_LITTLE_ENDIAN);
  view.setUint32(12, flags, IS_LITTLE_ENDIAN);
  return header;
}

/** `struct fib_rule_hdr` and its attributes. */
function encodeRule({ family, priority, mark, mask, table }: MarkRule): Uint8Array {
  const header = new Uint8Array(RULE_BYTES);
  header[0] = AF[family];
  header[7] = FR_ACT_TO_TBL;
  return Buffer.concat([
    header,
    encodeAttribute(FRA_PRIORITY, priority),
    encodeAttribute(FRA_FWMARK, mark),
    encodeAttribute(FRA_FWMASK, mask),
    encodeAttribute(FRA_TABLE, table),
    encodeAttribute(FRA_PROTOCOL, Uint8Array.of(RTPROT_KERNEL)),
  ]);
}

function isRule(body: DataView, { priority, mark, mask, table }: MarkRule): boolean {
  const attributes = readAttributes(body, RULE_BYTES);
  const is = (type: number, wanted: number) => {
    const found = attributes.get(type);
    return found !== undefined && numberIn(found) === wanted;
  };
  const isAction = body.getUint8(7) === FR_ACT_TO_TBL;
  return isAction && is(FRA_PRIORITY, priority) && is(FRA_FWMARK, mark) && is(FRA_FWMASK, mask) && is(FRA_TABLE, table);
}

/** `struct rtmsg` and its attributes. */
function encodeRoute({ family, table, type, ifindex }: DefaultRoute): Uint8Array {
  const { number, scope } = ROUTE_TYPES[type];
  const header = new Uint8Array(ROUTE_BYTES);
  header.set([AF[family], 0, 0, 0, 0, RTPROT_KERNEL, family === 'ipv4' ? scope : 0, number]);
  return Buffer.concat([header, encodeAttribute(RTA_TABLE, table), encodeAttribute(RTA_OIF, ifindex)]);
}

function isRoute(body: DataView, { table, type, ifindex }: DefaultRoute): boolean {
  const attributes = readAttributes(body, ROUTE_BYTES);
  const [foundTable, device] = [attributes.get(RTA_TABLE), attributes.get(RTA_OIF)];
  const leads = device !== undefined && numberIn(device) === ifindex;
  return (
    leads &&
    foundTable !== undefined &&
    numberIn(foundTable) === table &&
    body.getUint8(1) === 0 &&
    body.getUint8(7) === ROUTE_TYPES[type].number
  );
}
