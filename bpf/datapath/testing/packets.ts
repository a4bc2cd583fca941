import { isIPv4 } from 'node:net';
import { encodeAddress } from '../prefix.ts';

// Packets as they are on the wire, from the Ethernet header on, with whatever is wrong with them. Checksums are zero.

export const TCP = { FIN: 1, SYN: 2, RST: 4, ACK: 16 } as const;
const ETHER_TYPES = { 4: 0x0800, 6: 0x86dd } as const;

export interface Ip {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  /** Of IPv4, a multiple of 4 bytes. */
  readonly options?: Uint8Array;
  /** Of IPv6, in order. */
  readonly extensions?: readonly Extension[];
  /** Offset in bytes, a multiple of 8. */
  readonly fragment?: { readonly id: number; readonly offset: number; readonly hasMore: boolean };
  readonly hopLimit?: number;
}

export interface Extension {
  /** The number by which the header before names it. */
  readonly type: number;
  /** Multiple of 8 bytes, of which the first is replaced by the next header. */
  readonly bytes: Uint8Array;
}

export function ethernet(type: number, payload: Uint8Array): Uint8Array {
  return join(new Uint8Array(12).fill(2), u16(type), payload);
}

/** With an Ethernet header of the right type. */
export function packet(ip: Ip, payload: Uint8Array): Uint8Array {
  const family = isIPv4(ip.from) ? 4 : 6;
  return ethernet(ETHER_TYPES[family], ipHeader(ip, payload));
}

/** What a router quotes. */
export function ipHeader(ip: Ip, payload: Uint8Array): Uint8Array {
  return isIPv4(ip.from) ? ipv4(ip, payload) : ipv6(ip, payload);
}

export function tcp(source: number, destination: number, flags: number): Uint8Array {
  return join(u16(source), u16(destination), new Uint8Array(8), Uint8Array.of(0x50, flags), new Uint8Array(6));
}

export function udp(source: number, destination: number, payload: Uint8Array = new Uint8Array(8)): Uint8Array {
  return join(u16(source), u16(destination), u16(8 + payload.byteLength), u16(0), payload);
}

/** Ports, a tag and a checksum. */
export function sctp(source: number, destination: number): Uint8Array {
  return join(u16(source), u16(destination), new Uint8Array(8));
}

export function icmp(type: number, rest: Uint8Array = new Uint8Array(4), payload: Uint8Array = new Uint8Array(8)): Uint8Array {
  return join(Uint8Array.of(type, 0, 0, 0), rest, payload);
}

export function echo(type: number, id: number): Uint8Array {
  return icmp(type, join(u16(id), u16(1)));
}

/** @param sender of IPv4 */
export function arp(sender: string, target: string): Uint8Array {
  const ether = new Uint8Array(6).fill(2);
  const header = Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1);
  return ethernet(0x0806, join(header, ether, ipv4Bytes(sender), new Uint8Array(6), ipv4Bytes(target)));
}

/** Neighbour discovery, of which the target is the address that it is about. */
export function neighbour(type: number, target: string): Uint8Array {
  return icmp(type, new Uint8Array(4), encodeAddress(target));
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function ipv4Bytes(address: string): Uint8Array {
  return encodeAddress(address).slice(12);
}

function ipv4({ from, to, protocol, options = new Uint8Array(), fragment, hopLimit = 64 }: Ip, payload: Uint8Array): Uint8Array {
  const header = 20 + options.byteLength;
  const place = fragment ? (fragment.offset >> 3) | (fragment.hasMore ? 0x2000 : 0) : 0;
  return join(
    Uint8Array.of(0x40 | (header >> 2), 0),
    u16(header + payload.byteLength),
    u16(fragment?.id ?? 1),
    u16(place),
    Uint8Array.of(hopLimit, protocol, 0, 0),
    ...[ipv4Bytes(from), ipv4Bytes(to), options, payload],
  );
}

function ipv6({ from, to, protocol, extensions = [], fragment, hopLimit = 64 }: Ip, payload: Uint8Array): Uint8Array {
  const all = fragment ? [...extensions, fragmentHeader(fragment)] : extensions;
  const headers = all.map(({ bytes }, index) => join(Uint8Array.of(all[index + 1]?.type ?? protocol), bytes.slice(1)));
  const rest = join(...headers, payload);
  const first = all[0]?.type ?? protocol;
  return join(
    Uint8Array.of(0x60, 0, 0, 0),
    u16(rest.byteLength),
    Uint8Array.of(first, hopLimit),
    encodeAddress(from),
    encodeAddress(to),
    rest,
  );
}

function fragmentHeader({ id, offset, hasMore }: NonNullable<Ip['fragment']>): Extension {
  return { type: 44, bytes: join(Uint8Array.of(0, 0), u16(offset | Number(hasMore)), u16(0), u16(id)) };
}
