import type { CiliumCidrRule, CiliumServicePeer, LabelSelectorSpec } from '../../kube/index.ts';
import type { FieldPath } from '../../model/index.ts';
import type { Prefix } from '../addresses/prefix.ts';
import { ANY_SOURCE, KUBERNETES, NAMESPACE_KEY, NAMESPACE_LABELS_PREFIX, parseLabelKey, RESERVED } from '../labels/label.ts';
import { type Requirement, requireLabel } from '../labels/selector.ts';
import { ENTITIES, entityPeers } from './entities.ts';
import type { Findings } from './findings.ts';
import { ingestAddressOrCidr, ingestBlock } from './ingest-cidr.ts';
import { ingestSelector } from './ingest-selector.ts';
import type { Peer, Rule } from './rule.ts';
import type { ServicePick, Services } from './services.ts';

/** What peers mean depends on the policy that they stand in. */
export interface PeerContext {
  /** Empty for a policy of all namespaces. */
  readonly namespace: string;
  /** Whether the policy selects endpoints of which no labels are known. */
  readonly selectsInit: boolean;
  readonly cluster: string;
  readonly services: Services;
  readonly action: Rule['action'];
  readonly findings: Findings;
}

/** The members of a rule that name peers, under the names that it has for them. */
export interface PeerMembers {
  readonly endpoints: readonly LabelSelectorSpec[] | undefined;
  readonly cidrs: readonly string[] | undefined;
  readonly cidrSets: readonly CiliumCidrRule[] | undefined;
  readonly entities: readonly string[] | undefined;
  readonly services: readonly CiliumServicePeer[] | undefined;
  readonly nodes: readonly unknown[] | undefined;
  readonly groups: readonly unknown[] | undefined;
  readonly names: readonly unknown[] | undefined;
}

const ALL_WORLD: readonly Peer[] = ([4, 6] as const).map((family): Peer => {
  return { kind: 'addresses', within: { family, bits: 0n, length: 0 }, except: [], of: 'world' };
});

/**
 * Whom a rule means. Only one member may have items; one without items means nobody.
 * @param names of the members in the policy, as `fromCIDR`
 */
export function ingestCiliumPeers(
  members: PeerMembers,
  names: Readonly<Record<keyof PeerMembers, string>>,
  path: FieldPath,
  context: PeerContext,
): Rule['peers'] | 'unsaid' {
  const said = MEMBERS.filter((member) => members[member] !== undefined);
  const [first, second] = said.filter((member) => (members[member] ?? []).length > 0);
  if (first && second) context.findings.refuse([...path, names[second]], `must not stand beside ${names[first]}`);
  if (said.length === 0) return 'unsaid';
  if (said.some((member) => members[member]?.length === 0) || !first) return [];
  return ingestMember(first, members, [...path, names[first]], context);
}

const MEMBERS = [
  'endpoints',
  'cidrs',
  'cidrSets',
  'entities',
  'services',
  'nodes',
  'groups',
  'names',
] as const satisfies (keyof PeerMembers)[];

function ingestMember(member: keyof PeerMembers, members: PeerMembers, path: FieldPath, context: PeerContext): Rule['peers'] {
  const { findings } = context;
  switch (member) {
    case 'endpoints':
      return (members.endpoints ?? []).map((spec, index) => ingestEndpoints(spec, [...path, index], context));
    case 'cidrs':
      return (members.cidrs ?? []).flatMap((text, index) => {
        const within = ingestAddressOrCidr(text, [...path, index], findings);
        return within ? [ofWorld(within, [])] : [];
      });
    case 'cidrSets':
      return (members.cidrSets ?? []).flatMap((rule, index) => ingestCidrRule(rule, [...path, index], context));
    case 'entities':
      return ingestEntities(members.entities ?? [], path, context);
    case 'services':
      return (members.services ?? []).flatMap((service, index) => ingestService(service, [...path, index], context));
    case 'nodes':
      return notEnforced(path, 'nodes cannot be told apart yet', ['host', 'remote-node'], context);
    case 'groups':
      return notEnforced(path, 'groups of cloud providers are not known', 'world', context);
    case 'names':
      return notEnforced(path, 'DNS names are not enforced yet', 'world', context);
  }
}

/** What cannot be told is not allowed, and all of its kind denied. */
function notEnforced(
  path: FieldPath,
  why: string,
  kind: 'world' | readonly string[],
  { action, cluster, findings }: PeerContext,
): readonly Peer[] {
  findings.add(path, 'PeerNotEnforced', action === 'allow' ? `${why}: allows nothing` : `${why}: denies all of them`);
  if (action === 'allow') return [];
  if (kind === 'world') return ALL_WORLD;
  return kind.flatMap((entity): readonly Peer[] => {
    const peers = entityPeers(entity, cluster) ?? [];
    return peers === 'any' ? [] : peers;
  });
}

/**
 * A selector of endpoints means those of the policy's own namespace unless it says something of namespaces; one of a clusterwide policy
 * means pods.
 */
function ingestEndpoints(spec: LabelSelectorSpec, path: FieldPath, context: PeerContext): Peer {
  const requirements = ingestSelector(spec, path, parseLabelKey, context.findings);
  return { kind: 'labels', selector: { requirements: [...impliedNamespace(requirements, context), ...requirements] } };
}

function impliedNamespace(requirements: readonly Requirement[], { namespace, selectsInit }: PeerContext): Requirement[] {
  const key = { source: KUBERNETES, key: NAMESPACE_KEY };
  const isOfPods = ({ source }: Requirement) => source === KUBERNETES || source === ANY_SOURCE;
  if (requirements.some(({ source }) => source === RESERVED)) return [];
  if (requirements.some((asked) => isOfPods(asked) && asked.key === NAMESPACE_KEY)) return [];
  if (namespace === '') return selectsInit ? [] : [requireLabel(key, 'Exists')];
  if (requirements.some((asked) => isOfPods(asked) && asked.key.startsWith(NAMESPACE_LABELS_PREFIX))) return [];
  return [requireLabel(key, 'In', [namespace])];
}

function ingestCidrRule(rule: CiliumCidrRule, path: FieldPath, context: PeerContext): readonly Peer[] {
  const { cidr, cidrGroupRef, cidrGroupSelector, except = [] } = rule;
  const given = Object.entries({ cidr, cidrGroupRef, cidrGroupSelector }).filter(([, value]) => value !== undefined && value !== '');
  const [[member] = []] = given;
  if (member === undefined || given.length > 1) {
    context.findings.refuse(path, 'must have exactly one of cidr, cidrGroupRef and cidrGroupSelector');
    return [];
  }
  if (cidr === undefined || member !== 'cidr') return [...notEnforced([...path, member], 'CIDR groups are not read', 'world', context)];
  const block = ingestBlock(cidr, except, { cidr: [...path, 'cidr'], except: [...path, 'except'] }, context.findings);
  return block ? [ofWorld(block.within, block.except)] : [];
}

function ofWorld(within: Prefix, except: readonly Prefix[]): Peer {
  return { kind: 'addresses', within, except, of: 'world' };
}

function ingestEntities(entities: readonly string[], path: FieldPath, { cluster, findings }: PeerContext): Rule['peers'] {
  const peers: Peer[] = [];
  let isAny = false;
  for (const [index, entity] of entities.entries()) {
    const meant = entityPeers(entity, cluster);
    if (meant === undefined) findings.refuse([...path, index], `must be one of ${ENTITIES.join(', ')}, not ${JSON.stringify(entity)}`);
    else if (meant === 'any') isAny = true;
    else peers.push(...meant);
  }
  return isAny ? 'any' : peers;
}

function ingestService({ k8sService, k8sServiceSelector }: CiliumServicePeer, path: FieldPath, context: PeerContext): Peer[] {
  const picks: ServicePick[] = [];
  if (k8sService) {
    const { serviceName: name, namespace } = k8sService;
    if (name) picks.push({ kind: 'name', name, namespace: namespace || undefined });
    else context.findings.refuse([...path, 'k8sService', 'serviceName'], 'is required');
  }
  if (k8sServiceSelector) {
    const selectorPath = [...path, 'k8sServiceSelector', 'selector'];
    const requirements = ingestSelector(k8sServiceSelector.selector, selectorPath, parseLabelKey, context.findings);
    picks.push({ kind: 'labels', selector: { requirements }, namespace: k8sServiceSelector.namespace || undefined });
  }
  if (!k8sService && !k8sServiceSelector) context.findings.refuse(path, 'must have k8sService or k8sServiceSelector');
  return picks.flatMap((pick) => context.services.peers(pick));
}
