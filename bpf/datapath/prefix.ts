import { isIP } from 'node:net';
import type { Codec } from 'libbpf-ts';
import { DatapathError } from './error.ts';
import type { prefix } from './gen/policy.ts';
import { decodeIp, encodeIp } from './services/address.ts';

export type PrefixKey = typeof prefix extends Codec<infer T> ? T : never;

const FAMILY_BITS = 32;
const MAPPED_BITS = 96;

/** An address as programs have it: 16 bytes, of IPv4 as `::ffff:a.b.c.d`. @throws DatapathError `invalid-address` */
export function encodeAddress(text: string): Uint8Array {
  if (isIP(text) === 0 || text.includes('%')) throw new DatapathError('invalid-address', `${JSON.stringify(text)} is no IP address`);
  return encodeIp(text);
}

/** In canonical form. */
export { decodeIp as decodeAddress } from './services/address.ts';

/** `10.0.1.0/24` as programs have it. @throws DatapathError `invalid-address`, also where bits beyond the prefix are not 0 */
export function encodePrefix(text: string): PrefixKey {
  const [address = '', bits = ''] = text.split('/');
  const family = isIP(address);
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  const isPrefix = family !== 0 && length <= (family === 4 ? 32 : 128);
  if (!isPrefix) throw new DatapathError('invalid-address', `${JSON.stringify(text)} is no prefix`);
  const encoded = encodeAddress(address);
  const significant = length + (family === 4 ? MAPPED_BITS : 0);
  if (hasBitsAfter(encoded, significant)) throw new DatapathError('invalid-address', `${text} has bits beyond its prefix`);
  return { length: FAMILY_BITS + significant, family, address: encoded };
}

/** In canonical form. */
export function decodePrefix({ length, family, address }: PrefixKey): string {
  return `${decodeIp(address)}/${length - FAMILY_BITS - (family === 4 ? MAPPED_BITS : 0)}`;
}

function hasBitsAfter(bytes: Uint8Array, length: number): boolean {
  return bytes.some((byte, index) => {
    const kept = Math.min(8, Math.max(0, length - index * 8));
    return (byte & (0xff >> kept)) !== 0;
  });
}
