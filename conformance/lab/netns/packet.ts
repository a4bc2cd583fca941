import { isIPv6 } from 'node:net';

// Packets as bytes, for what no socket would send.

const IPPROTO_FRAGMENT = 44;
const IPPROTO_UDP = 17;
const DEFAULT_HOP_LIMIT = 64;
const ETHERNET_ARP = 0x0806;

export interface IpPacket {
  readonly from: string;
  /** Of the same family. */
  readonly to: string;
  /** An IP protocol number. */
  readonly protocol: number;
  readonly payload: Uint8Array;
  /** Of a fragment: all of one datagram have the same number. */
  readonly fragment?: { readonly id: number; readonly offset: number; readonly isLast: boolean };
  /** Whether nobody may fragment it; of IPv6 nobody but its sender may. Default: false. */
  readonly isWhole?: boolean;
  /** Default: 64. */
  readonly hopLimit?: number;
}

/** An address as it stands in packets: 4 or 16 bytes. */
export function addressBytes(address: string): Uint8Array {
  if (!isIPv6(address)) return Uint8Array.from(address.split('.'), Number);
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':').map((group) => Number.parseInt(group, 16)) : []);
  const [first, last] = [groups(head), groups(tail)];
  const middle = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return Uint8Array.from([...first, ...middle, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}

/** From the IP header on. @see RFC 791, RFC 8200 */
export function ipPacket(packet: IpPacket): Uint8Array {
  return isIPv6(packet.from) ? ipv6Packet(packet) : ipv4Packet(packet);
}

/** A UDP datagram with its checksum, the payload of an {@link ipPacket}. @see RFC 768 */
export function udpDatagram(from: string, to: string, ports: readonly [source: number, destination: number], data: Uint8Array): Uint8Array {
  const length = 8 + data.byteLength;
  const datagram = Buffer.concat([words(...ports, length, 0), data]);
  const pseudo = Buffer.concat([addressBytes(from), addressBytes(to), words(0, length, 0, IPPROTO_UDP)]);
  datagram.writeUInt16BE(checksum(Buffer.concat([pseudo, datagram])) || 0xffff, 6);
  return datagram;
}

/** A request for everybody, from the Ethernet header on. @param mac such as `02:00:00:00:00:01` @see RFC 826 */
export function arpRequest(mac: string, from: string, to: string): Uint8Array {
  const sender = Buffer.from(mac.replaceAll(':', ''), 'hex');
  const header = Buffer.concat([Buffer.alloc(6, 0xff), sender, words(ETHERNET_ARP)]);
  return Buffer.concat([header, words(1, 0x0800, 0x0604, 1), sender, addressBytes(from), Buffer.alloc(6), addressBytes(to)]);
}

function ipv4Packet({ from, to, protocol, payload, fragment, isWhole, hopLimit = DEFAULT_HOP_LIMIT }: IpPacket): Uint8Array {
  const flags = (isWhole ? 0x4000 : 0) | (fragment ? (fragment.isLast ? 0 : 0x2000) | (fragment.offset >> 3) : 0);
  const fixed = words(0x4500, 20 + payload.byteLength, fragment?.id ?? 1, flags, (hopLimit << 8) | protocol, 0);
  const header = Buffer.concat([fixed, addressBytes(from), addressBytes(to)]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

function ipv6Packet({ from, to, protocol, payload, fragment, hopLimit = DEFAULT_HOP_LIMIT }: IpPacket): Uint8Array {
  const extension = fragment ? words(protocol << 8, fragment.offset | (fragment.isLast ? 0 : 1), 0, fragment.id) : new Uint8Array();
  const next = fragment ? IPPROTO_FRAGMENT : protocol;
  const fixed = words(0x6000, 0, extension.byteLength + payload.byteLength, (next << 8) | hopLimit);
  return Buffer.concat([fixed, addressBytes(from), addressBytes(to), extension, payload]);
}

function words(...numbers: readonly number[]): Uint8Array {
  return Uint8Array.from(numbers.flatMap((number) => [(number >> 8) & 0xff, number & 0xff]));
}

/** @see RFC 1071 */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < bytes.byteLength; index += 1) sum += (bytes[index] ?? 0) << (index % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
