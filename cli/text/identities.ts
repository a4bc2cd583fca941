import type { KnownIdentity } from '../enforcer/node-identities.ts';
import { someOf } from './some-of.ts';
import { formatTable } from './table.ts';

const MOST_ADDRESSES = 2;

export function formatIdentities(known: readonly KnownIdentity[]): string {
  if (known.length === 0) return 'no identities\n';
  const rows = known.map(({ identity, labels, addresses }) => {
    return [String(identity), labels.join(',') || '-', someOf(addresses, MOST_ADDRESSES) || '-'];
  });
  return formatTable(['IDENTITY', 'LABELS', 'ADDRESSES'], rows);
}

/** A label and an address a line. */
export function formatKnownIdentity({ identity, labels, addresses }: KnownIdentity): string {
  const lines = [
    `identity   ${identity}`,
    ...labels.map((label) => `label      ${label}`),
    ...addresses.map((each) => `address    ${each}`),
  ];
  return `${lines.join('\n')}\n`;
}
