import { isIPv4, isIPv6, SocketAddress } from 'node:net';

export type Family = 'IPv4' | 'IPv6';

export function familyOf(address: string): Family | undefined {
  if (isIPv4(address)) return 'IPv4';
  return isIPv6(address) && !address.includes('%') ? 'IPv6' : undefined;
}

/** Not of every machine, one link or a group, nor this machine itself: the API server takes none of these for an endpoint. */
const UNUSABLE = [/^0\./, /^127\./, /^169\.254\./, /^2(?:2[4-9]|[345]\d)\./, /^::1?$/, /^fe[89ab]/, /^ff/, /^::ffff:/];

/** An address in canonical form; undefined where it is none of that family, or none that can be connected to from everywhere. */
export function usableAddress(text: string, family: Family): string | undefined {
  if (familyOf(text) !== family) return undefined;
  const address = family === 'IPv4' ? text : new SocketAddress({ address: text, family: 'ipv6' }).address;
  return UNUSABLE.some((pattern) => pattern.test(address)) ? undefined : address;
}

/** The same of whatever family it is. */
export function canonicalAddress(text: string): string | undefined {
  const family = familyOf(text);
  return family && usableAddress(text, family);
}
