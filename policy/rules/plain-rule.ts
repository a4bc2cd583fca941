import type { CiliumEgressRule, CiliumIngressRule, CiliumPolicySpec } from '../../kube/index.ts';
import type { Direction } from '../../model/index.ts';
import type { PeerMembers } from './ingest-cilium-peers.ts';

/** A rule of either direction: its peers, under the names that the policy has for them, and the rest. */
export interface PlainRule extends Pick<CiliumIngressRule, 'toPorts' | 'icmps' | 'authentication'> {
  readonly members: PeerMembers;
  readonly names: Readonly<Record<keyof PeerMembers, string>>;
}

/** The rules of a list of a rule set. */
export function rulesOf(direction: Direction, spec: CiliumPolicySpec, list: Direction | `${Direction}Deny`): PlainRule[] {
  if (direction === 'ingress') return (spec[list === 'ingress' ? 'ingress' : 'ingressDeny'] ?? []).map(plainIngress);
  return (spec[list === 'egress' ? 'egress' : 'egressDeny'] ?? []).map(plainEgress);
}

function plainIngress(rule: CiliumIngressRule): PlainRule {
  const { toPorts, icmps, authentication } = rule;
  const members = {
    endpoints: rule.fromEndpoints,
    cidrs: rule.fromCIDR,
    cidrSets: rule.fromCIDRSet,
    entities: rule.fromEntities,
    services: undefined,
    nodes: rule.fromNodes,
    groups: rule.fromGroups,
    names: undefined,
  };
  return { toPorts, icmps, authentication, members, names: SOURCE_NAMES };
}

function plainEgress(rule: CiliumEgressRule): PlainRule {
  const { toPorts, icmps, authentication } = rule;
  const members = {
    endpoints: rule.toEndpoints,
    cidrs: rule.toCIDR,
    cidrSets: rule.toCIDRSet,
    entities: rule.toEntities,
    services: rule.toServices,
    nodes: rule.toNodes,
    groups: rule.toGroups,
    names: rule.toFQDNs,
  };
  return { toPorts, icmps, authentication, members, names: DESTINATION_NAMES };
}

const SOURCE_NAMES = {
  endpoints: 'fromEndpoints',
  cidrs: 'fromCIDR',
  cidrSets: 'fromCIDRSet',
  entities: 'fromEntities',
  services: '',
  nodes: 'fromNodes',
  groups: 'fromGroups',
  names: '',
} as const;

const DESTINATION_NAMES = {
  endpoints: 'toEndpoints',
  cidrs: 'toCIDR',
  cidrSets: 'toCIDRSet',
  entities: 'toEntities',
  services: 'toServices',
  nodes: 'toNodes',
  groups: 'toGroups',
  names: 'toFQDNs',
} as const;
