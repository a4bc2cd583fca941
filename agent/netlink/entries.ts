import { SocketAddress } from 'node:net';
import { IS_LITTLE_ENDIAN, numberIn, readAttributes, textIn } from './message.ts';
import { NetlinkError } from './netlink-error.ts';

// What the kernel's routing family tells of. @see https://man7.org/linux/man-pages/man7/rtnetlink.7.html

/** A network device. */
export interface NetworkLink {
  readonly index: number;
  readonly name: string;
  /** Such as `veth`, `bridge`, `vxlan`; undefined for real devices. */
  readonly kind: string | undefined;
  /** Of six bytes: `02:00:00:00:00:01`; undefined for devices that have none. */
  readonly mac: string | undefined;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** The bridge or bond that it belongs to. */
  readonly master: number | undefined;
  /** For a veth the index of its other end, in that one's namespace; for others what they are on top of. */
  readonly lowerIndex: number | undefined;
  /** The namespace of `lowerIndex`, as this one numbers it; undefined for the same one. */
  readonly lowerNamespace: number | undefined;
}

export interface LinkAddress {
  readonly index: number;
  /** In canonical form. */
  readonly address: string;
  readonly prefixLength: number;
}

/** Who has which hardware address. */
export interface Neighbour {
  readonly index: number;
  /** In canonical form. */
  readonly address: string;
  /** Undefined while it is asked for. */
  readonly mac: string | undefined;
}

export interface Route {
  /** `0.0.0.0/0` and `::/0` are the default routes. */
  readonly prefix: string;
  readonly table: number;
  /** The devices that it leads to: several for one with several next hops, none for one that leads nowhere. */
  readonly devices: readonly number[];
}

const AF_INET = 2;
const AF_INET6 = 10;
const ETHERNET_ADDRESS_BYTES = 6;

const LINK_BYTES = 16;
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_LINK_NETNSID = 37;

const ADDRESS_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;

const NEIGHBOUR_BYTES = 12;
const NDA_DST = 1;
const NDA_LLADDR = 2;

const ROUTE_BYTES = 12;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const NEXT_HOP_BYTES = 8;

/** @throws NetlinkError `malformed` */
export function readLink(body: DataView): NetworkLink {
  const attributes = readAttributes(body, LINK_BYTES);
  const flags = body.getUint32(8, IS_LITTLE_ENDIAN);
  const mac = attributes.get(IFLA_ADDRESS);
  const info = attributes.get(IFLA_LINKINFO);
  const kind = info && readAttributes(info).get(IFLA_INFO_KIND);
  const name = attributes.get(IFLA_IFNAME);
  return {
    index: body.getInt32(4, IS_LITTLE_ENDIAN),
    name: name ? textIn(name) : '',
    kind: kind && textIn(kind),
    mac: mac && readMac(mac),
    isUp: (flags & IFF_UP) !== 0,
    isLoopback: (flags & IFF_LOOPBACK) !== 0,
    master: optionalNumber(attributes.get(IFLA_MASTER)),
    lowerIndex: optionalNumber(attributes.get(IFLA_LINK)),
    lowerNamespace: namespaceOf(attributes.get(IFLA_LINK_NETNSID)),
  };
}

/** Undefined for an address that is neither of IPv4 nor of IPv6. @throws NetlinkError `malformed` */
export function readAddress(body: DataView): LinkAddress | undefined {
  const attributes = readAttributes(body, ADDRESS_BYTES);
  // Of a link between two, the other one's address has the other attribute.
  const address = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  const text = address && readIpAddress(body.getUint8(0), address);
  return text === undefined ? undefined : { index: body.getInt32(4, IS_LITTLE_ENDIAN), address: text, prefixLength: body.getUint8(1) };
}

/** Undefined for what is no neighbour of IPv4 or IPv6, such as a bridge's. @throws NetlinkError `malformed` */
export function readNeighbour(body: DataView): Neighbour | undefined {
  const attributes = readAttributes(body, NEIGHBOUR_BYTES);
  const address = attributes.get(NDA_DST);
  const text = address && readIpAddress(body.getUint8(0), address);
  const mac = attributes.get(NDA_LLADDR);
  return text === undefined ? undefined : { index: body.getInt32(4, IS_LITTLE_ENDIAN), address: text, mac: mac && readMac(mac) };
}

/** Undefined for a route of another family. @throws NetlinkError `malformed` */
export function readRoute(body: DataView): Route | undefined {
  const attributes = readAttributes(body, ROUTE_BYTES);
  const family = body.getUint8(0);
  const destination = attributes.get(RTA_DST);
  const address = destination ? readIpAddress(family, destination) : { [AF_INET]: '0.0.0.0', [AF_INET6]: '::' }[family];
  if (address === undefined) return undefined;
  const device = optionalNumber(attributes.get(RTA_OIF));
  const hops = attributes.get(RTA_MULTIPATH);
  const devices = new Set([...(device === undefined ? [] : [device]), ...(hops ? readNextHops(hops) : [])]);
  const table = optionalNumber(attributes.get(RTA_TABLE)) ?? body.getUint8(4);
  return { prefix: `${address}/${body.getUint8(1)}`, table, devices: [...devices] };
}

function readNextHops(view: DataView): readonly number[] {
  const devices: number[] = [];
  for (let offset = 0; offset < view.byteLength; ) {
    const left = view.byteLength - offset;
    const length = left < NEXT_HOP_BYTES ? 0 : view.getUint16(offset, IS_LITTLE_ENDIAN);
    if (length < NEXT_HOP_BYTES || length > left) throw new NetlinkError('malformed', 'a next hop is not as long as it says');
    devices.push(view.getInt32(offset + 4, IS_LITTLE_ENDIAN));
    offset += (length + 3) & ~3;
  }
  return devices;
}

function optionalNumber(attribute: DataView | undefined): number | undefined {
  return attribute && numberIn(attribute);
}

/** The kernel says -1 where it may not give one a number. */
function namespaceOf(attribute: DataView | undefined): number | undefined {
  const number = optionalNumber(attribute);
  return number === undefined || number < 0 ? undefined : number;
}

function readMac(view: DataView): string | undefined {
  if (view.byteLength !== ETHERNET_ADDRESS_BYTES) return undefined;
  return Array.from({ length: view.byteLength }, (_, index) => view.getUint8(index).toString(16).padStart(2, '0')).join(':');
}

/** In canonical form; undefined where these are no bytes of one of the family. @param family of sockets, as AF_INET */
export function readIpAddress(family: number, view: DataView): string | undefined {
  if (family === AF_INET && view.byteLength === 4) return [0, 1, 2, 3].map((index) => view.getUint8(index)).join('.');
  if (family !== AF_INET6 || view.byteLength !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(2 * index).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
