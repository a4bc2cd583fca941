import type { NamedPort } from '../../kube/index.ts';
import type { Identity } from '../../model/index.ts';
import { formatPrefix, type Prefix } from '../addresses/prefix.ts';
import { formatLabel, type Label } from '../labels/label.ts';
import { LabelSet } from '../labels/label-set.ts';
import { PLAIN_HANDLING, type PodHandling } from './pod-handling.ts';

/** What rules can tell of an identity beyond the labels that make it, and how policy is to treat it. */
export interface Facets {
  /** Labels that the filter leaves out, of keys that a rule names. */
  readonly labels: readonly Label[];
  /** The longest prefix named by a rule that holds the address; undefined for none. */
  readonly prefix: Prefix | undefined;
  /** Those of names that a rule names. */
  readonly ports: readonly NamedPort[];
  readonly handling: PodHandling;
}

export const NO_FACETS: Facets = { labels: [], prefix: undefined, ports: [], handling: PLAIN_HANDLING };

/** All that rules can ask of an identity. */
export interface IdentityFacts {
  readonly identity: Identity;
  readonly labels: LabelSet;
  /** Whether its addresses belong to no pod, node or pod network. */
  readonly isWorld: boolean;
  readonly prefix: Prefix | undefined;
  readonly ports: readonly NamedPort[];
  readonly handling: PodHandling;
}

/** The facets in the form of labels, sorted. */
export function facetLabels({ labels, prefix, ports, handling }: Facets): string[] {
  const cidr = prefix ? [`cidr:${formatPrefix(prefix)}`] : [];
  const named = ports.map(({ name, protocol, number }) => `port:${name}=${protocol}/${number}`);
  return [...new Set([...labels.map(formatLabel), ...cidr, ...named, ...handlingLabels(handling)])].sort();
}

/** How policy treats a pod in the form of labels: those that differ in it never share an identity, not even one after the other. */
export function handlingLabels({ audits, visible }: PodHandling): string[] {
  return [...(audits ? ['sluice:audit-mode'] : []), ...visible.map(({ direction, port }) => `sluice:visible=${direction}/${port}`)];
}

export function factsOf(identity: Identity, base: readonly Label[], isWorld: boolean, facets: Facets): IdentityFacts {
  const { prefix, ports, handling } = facets;
  return { identity, labels: new LabelSet([...facets.labels, ...base]), isWorld, prefix, ports, handling };
}
