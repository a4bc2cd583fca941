import { isIPv6 } from 'node:net';

/** An address as it stands in packets: 4 or 16 bytes. */
export function addressBytes(address: string): Uint8Array {
  if (!isIPv6(address)) return Uint8Array.from(address.split('.'), Number);
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':').map((group) => Number.parseInt(group, 16)) : []);
  const [first, last] = [groups(head), groups(tail)];
  const middle = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return Uint8Array.from([...first, ...middle, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}
