import type { Collection } from '../../collection/index.ts';
import type { Identity, IdentityEntry } from '../../model/index.ts';
import type { Enforcement } from './enforcement.ts';

/** An identity that a node knows. */
export interface KnownIdentity extends IdentityEntry {
  /** Prefixes that have it. */
  readonly addresses: readonly string[];
}

/** Those that some address or pod of this node's tables has, by their numbers. */
export function identitiesOf({ datapath, node }: Pick<Enforcement, 'datapath' | 'node'>): Collection<KnownIdentity> {
  const prefixes = new Map<Identity, string[]>(node.state().devices.pods.map(({ endpoint }) => [endpoint.identity, []]));
  for (const { prefix, identity } of datapath.addresses.entries()) {
    const others = prefixes.get(identity);
    if (others) others.push(prefix);
    else prefixes.set(identity, [prefix]);
  }
  const known = [...prefixes].map(([identity, addresses]): [string, KnownIdentity] => [
    // Keys are sorted as text.
    String(identity).padStart(10, '0'),
    { identity, labels: node.labelsOf(identity) ?? [], addresses: addresses.sort() },
  ]);
  return Object.assign(new Map(known), { name: 'identities', changed: new Set<string>() });
}
