import { CLUSTER_KEY, KUBERNETES, RESERVED } from '../labels/label.ts';
import { type LabelSelector, requireLabel } from '../labels/selector.ts';
import type { Peer } from './rule.ts';

/** Entities that are a reserved label each. */
const RESERVED_ENTITIES = [
  'world',
  'world-ipv4',
  'world-ipv6',
  'host',
  'remote-node',
  'health',
  'init',
  'unmanaged',
  'ingress',
  'kube-apiserver',
] as const;

/** Of the cluster, beside its pods. */
const CLUSTER_MEMBERS = ['host', 'remote-node', 'health', 'init', 'unmanaged', 'ingress', 'kube-apiserver'] as const;

export const ENTITIES: readonly string[] = ['all', 'cluster', 'none', ...RESERVED_ENTITIES];

/**
 * Whom an entity means, `any` for all; undefined for one that does not exist.
 * @see https://docs.cilium.io/en/stable/security/policy/language/#entities-based
 */
export function entityPeers(entity: string, cluster: string): 'any' | readonly Peer[] | undefined {
  if (entity === 'all') return 'any';
  if (entity === 'none') return [];
  if (entity === 'cluster') return [...CLUSTER_MEMBERS.map(reservedPeer), ofCluster(cluster)];
  return RESERVED_ENTITIES.some((known) => known === entity) ? [reservedPeer(entity)] : undefined;
}

function reservedPeer(name: string): Peer {
  return { kind: 'labels', selector: selectorOf(RESERVED, name) };
}

function selectorOf(source: string, key: string): LabelSelector {
  return { requirements: [requireLabel({ source, key }, 'Exists')] };
}

function ofCluster(cluster: string): Peer {
  return { kind: 'labels', selector: { requirements: [requireLabel({ source: KUBERNETES, key: CLUSTER_KEY }, 'In', [cluster])] } };
}
