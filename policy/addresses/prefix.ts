import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** Addresses that begin alike. */
export interface Prefix {
  readonly family: 4 | 6;
  /** The address; bits beyond the length are 0. */
  readonly bits: bigint;
  readonly length: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;
const LENGTH = /^(?:0|[1-9]\d{0,2})$/;
const MAPPED = 0xffffn;

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32` or an address alone. Bits beyond the length are dropped, as in Kubernetes and Cilium. Undefined
 * for anything else: an IPv4 address inside of an IPv6 one, zones, leading zeros.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address) return undefined;
  if (slash < 0) return address;
  const length = text.slice(slash + 1);
  return LENGTH.test(length) && Number(length) <= address.length ? truncate(address, Number(length)) : undefined;
}

/** The address as a prefix of its full length. */
export function parseAddress(text: string): Prefix | undefined {
  if (isIPv4(text)) return { family: 4, bits: bitsOfIPv4(text), length: 32 };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const bits = bitsOfIPv6(text);
  return bits >> 32n === MAPPED ? undefined : { family: 6, bits, length: 128 };
}

function bitsOfIPv4(text: string): bigint {
  return BigInt(text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0));
}

function bitsOfIPv6(text: string): bigint {
  const [head = '', tail] = withoutDots(text).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros: string[] = tail === undefined ? [] : Array(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

/** The last 32 bits may be written as an IPv4 address. */
function withoutDots(text: string): string {
  if (!text.includes('.')) return text;
  const colon = text.lastIndexOf(':') + 1;
  const low = bitsOfIPv4(text.slice(colon));
  return `${text.slice(0, colon)}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
}

/** The prefix of this length that holds another one. */
export function truncate({ family, bits }: Prefix, length: number): Prefix {
  const shift = BigInt(WIDTH[family] - length);
  return { family, bits: (bits >> shift) << shift, length };
}

export function contains(outer: Prefix, inner: Prefix): boolean {
  return outer.family === inner.family && outer.length <= inner.length && truncate(inner, outer.length).bits === outer.bits;
}

/** In canonical form, as RFC 5952 has it: `10.0.0.0/8`, `2001:db8::/32`. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

/** The first address of a prefix, in canonical form. */
export function formatAddress({ family, bits }: Prefix): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => Number((bits >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((bits >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
