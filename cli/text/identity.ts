import { ANY, type Identity, RESERVED_IDENTITIES } from '../../model/index.ts';

const NAMES: ReadonlyMap<Identity, string> = new Map(Object.entries(RESERVED_IDENTITIES).map(([name, identity]) => [identity, name]));

/** `reserved:host`, or the number. */
export function formatIdentity(identity: Identity): string {
  const name = NAMES.get(identity);
  return name === undefined ? String(identity) : `reserved:${name}`;
}

/** As {@link formatIdentity}, in verdicts: `any` for all. */
export function formatPeer(peer: Identity): string {
  return peer === ANY ? 'any' : formatIdentity(peer);
}
