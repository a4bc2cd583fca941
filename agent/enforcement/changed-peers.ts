import { isIPv6 } from 'node:net';
import type { AddressEntry, Identity } from '../../model/index.ts';

/**
 * Whether somebody who may have connections becomes somebody else. Who only comes, or is gone, has none that go on.
 * @param told the identities before, by prefix
 */
export function changesPeers(told: ReadonlyMap<string, Identity>, entries: readonly AddressEntry[], removed: readonly string[]): boolean {
  const isElse = ({ prefix, identity }: AddressEntry) => {
    const before = told.get(prefix);
    return before !== identity && (before !== undefined || !isOfOne(prefix));
  };
  return entries.some(isElse) || removed.some((prefix) => !isOfOne(prefix));
}

function isOfOne(prefix: string): boolean {
  const [address = '', length] = prefix.split('/');
  return length === (isIPv6(address) ? '128' : '32');
}
