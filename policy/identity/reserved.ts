import { type Identity, RESERVED_IDENTITIES, type ReservedIdentity } from '../../model/index.ts';
import { parsePrefix } from '../addresses/prefix.ts';
import { type Label, RESERVED } from '../labels/label.ts';
import { factsOf, type IdentityFacts, NO_FACETS } from './facts.ts';

export function reservedLabel(name: ReservedIdentity): Label {
  return { source: RESERVED, key: name, value: '' };
}

/** Of those whose labels are more than their own name. The label `reserved:world` selects both worlds. */
const LABELS: Partial<Record<ReservedIdentity, readonly ReservedIdentity[]>> = {
  'world-ipv4': ['world', 'world-ipv4'],
  'world-ipv6': ['world', 'world-ipv6'],
  'kube-apiserver': ['kube-apiserver', 'remote-node'],
};

const PREFIXES: Partial<Record<ReservedIdentity, string>> = { 'world-ipv4': '0.0.0.0/0', 'world-ipv6': '::/0' };

export function reservedLabels(name: ReservedIdentity): Label[] {
  return (LABELS[name] ?? [name]).map(reservedLabel);
}

/** Those that may be somebody's: `unknown` is nobody's, and of `world` there is one for each family. */
export const RESERVED_FACTS: readonly IdentityFacts[] = Object.entries(RESERVED_IDENTITIES).flatMap(([text, identity]) => {
  const name = reservedName(text);
  if (name === undefined || name === 'unknown' || name === 'world') return [];
  const prefix = parsePrefix(PREFIXES[name] ?? '');
  return [factsOf(identity, reservedLabels(name), prefix !== undefined, { ...NO_FACETS, prefix })];
});

const BY_LABELS: ReadonlyMap<string, Identity> = new Map(
  RESERVED_FACTS.map(({ labels, identity }): [string, Identity] => [labels.texts.join(), identity]),
);

/** The reserved identity that these labels stand for, if they are just those of one. */
export function reservedIdentityOf(labels: readonly string[]): Identity | undefined {
  return BY_LABELS.get(labels.join());
}

function reservedName(text: string): ReservedIdentity | undefined {
  return Object.hasOwn(RESERVED_IDENTITIES, text) ? (text as ReservedIdentity) : undefined;
}
