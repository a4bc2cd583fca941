import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { ServiceBackend, ServiceFrontend } from '../../../model/index.ts';
import { ServiceDatapathError } from './error.ts';

/** As the maps have it: IPv4 as `::ffff:a.b.c.d`, the port in host byte order. */
export interface RawAddress {
  readonly address: Uint8Array;
  readonly port: number;
  readonly protocol: number;
  readonly pad: number;
}

type Protocol = ServiceFrontend['protocol'];

/** @see https://www.iana.org/assignments/protocol-numbers */
const NUMBERS = { TCP: 6, UDP: 17, SCTP: 132 } as const satisfies Record<Protocol, number>;
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const MAPPED_TEXT = String.fromCharCode(...MAPPED);

/** @throws ServiceDatapathError `invalid-translation` */
export function encodeIp(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from([...MAPPED, ...text.split('.').map(Number)]);
  if (!isIPv6(text) || text.includes('%')) throw new ServiceDatapathError('invalid-translation', `${text} is no IP address`);
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const [head = '', tail] = address.split('::');
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')];
  const groups = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** In canonical form. */
export function decodeIp(bytes: Uint8Array): string {
  if (MAPPED.every((byte, index) => bytes[index] === byte)) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** @throws ServiceDatapathError `invalid-translation` */
export function encodeAddress({ address, port }: ServiceBackend, protocol: Protocol): RawAddress {
  return { address: encodeIp(address), port, protocol: NUMBERS[protocol], pad: 0 };
}

/** Undefined where it has a protocol that no Service has. */
export function decodeAddress({ address, port, protocol }: RawAddress): ServiceFrontend | undefined {
  const known = Object.entries(NUMBERS).find(([, number]) => number === protocol)?.[0];
  return known === 'TCP' || known === 'UDP' || known === 'SCTP' ? { address: decodeIp(address), port, protocol: known } : undefined;
}

/**
 * An address as a string, which takes a fraction of the memory: two with the same key are the same bytes.
 * @see rawOf which makes it an address again
 */
export function keyOf({ address, port, protocol, pad }: RawAddress): string {
  const text = Buffer.from(address.buffer, address.byteOffset, address.byteLength).toString('latin1');
  return text + String.fromCharCode(port, protocol, pad);
}

/** The key of an address as it is written: there may be hundreds of thousands. @throws ServiceDatapathError `invalid-translation` */
export function keyOfPlace({ address, port }: ServiceBackend, protocol: Protocol): string {
  if (!isIPv4(address)) return keyOf(encodeAddress({ address, port }, protocol));
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return MAPPED_TEXT + String.fromCharCode(a, b, c, d, port, NUMBERS[protocol], 0);
}

export function rawOf(key: string): RawAddress {
  const [port, protocol, pad] = [key.charCodeAt(16), key.charCodeAt(17), key.charCodeAt(18)];
  return { address: new Uint8Array(Buffer.from(key.slice(0, 16), 'latin1')), port, protocol, pad };
}

/** Dotted parts are there in addresses such as `::1.2.3.4`. */
function groupsOf(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
