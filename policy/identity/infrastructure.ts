import type { EndpointSlice, Node } from '../../kube/index.ts';
import type { ReservedIdentity } from '../../model/index.ts';
import { contains, formatPrefix, type Prefix, parseAddress, parsePrefix } from '../addresses/prefix.ts';
import { CIDR } from '../labels/label.ts';
import type { Claim, Claimant } from './claim.ts';
import { NO_FACETS } from './facts.ts';
import type { Member } from './identity-groups.ts';
import { nodeAddressesOf } from './node-addresses.ts';
import { reservedLabels } from './reserved.ts';
import type { RuleVocabulary } from './rule-vocabulary.ts';

/** Addresses that belong to no pod. */
export interface InfrastructureClaims {
  readonly kind: Claimant;
  readonly owner: string;
  readonly claims: readonly Claim[];
}

const WORLD = { 4: reservedLabels('world-ipv4'), 6: reservedLabels('world-ipv6') } as const;

/** Nodes, API servers, the network of the pods, and the prefixes that rules name of the rest of the world. */
export function claimInfrastructure(
  nodes: readonly Node[],
  apiServers: readonly EndpointSlice[],
  podNetworks: readonly string[],
  vocabulary: RuleVocabulary,
): InfrastructureClaims[] {
  const networks = distinct([...podNetworks, ...nodes.flatMap(({ spec }) => spec.podCIDRs)].flatMap((text) => parsePrefix(text) ?? []));
  const ofNodes = nodes.map((node): InfrastructureClaims => {
    const claims = claimEach(distinct(nodeAddressesOf(node)), 'remote-node', vocabulary);
    return { kind: 'node', owner: `node ${node.metadata.name}`, claims };
  });
  const nodeAddresses = new Set(ofNodes.flatMap(({ claims }) => claims.map(({ prefix }) => formatPrefix(prefix))));
  const servers = distinct(
    apiServers.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses.flatMap((text) => parseAddress(text) ?? []))),
  );
  return [
    ...ofNodes,
    { kind: 'apiServer', owner: 'kube-apiserver', claims: servers.map((prefix) => claimApiServer(prefix, nodeAddresses, vocabulary)) },
    { kind: 'podNetwork', owner: 'pod-network', claims: claimEach(networks, 'unmanaged', vocabulary) },
    { kind: 'block', owner: 'world', claims: claimWorld(networks, vocabulary) },
  ];
}

function claimEach(prefixes: readonly Prefix[], name: ReservedIdentity, vocabulary: RuleVocabulary): Claim[] {
  return prefixes.map((prefix) => ({ prefix, member: inCluster(prefix, name, vocabulary) }));
}

function inCluster(prefix: Prefix, name: ReservedIdentity, { blocks }: RuleVocabulary): Member {
  return { labels: reservedLabels(name), isWorld: false, facets: { ...NO_FACETS, prefix: blocks.longest(prefix) } };
}

/** An API server that is no node of the cluster is of the world too, as Cilium has it. */
function claimApiServer(prefix: Prefix, nodeAddresses: ReadonlySet<string>, vocabulary: RuleVocabulary): Claim {
  if (nodeAddresses.has(formatPrefix(prefix))) return { prefix, member: inCluster(prefix, 'kube-apiserver', vocabulary) };
  const [label] = reservedLabels('kube-apiserver');
  const labels = [...(label ? [label] : []), ...WORLD[prefix.family]];
  return {
    prefix,
    member: { labels, isWorld: true, facets: { ...NO_FACETS, prefix: vocabulary.prefixes.longest(prefix) ?? wholeFamily(prefix) } },
  };
}

/** All of a family is one of the reserved worlds, whether a rule names it or not. */
function claimWorld(networks: readonly Prefix[], vocabulary: RuleVocabulary): Claim[] {
  const all = [0n, 1n].map((bits): Prefix => ({ family: bits === 0n ? 4 : 6, bits: 0n, length: 0 }));
  const named = vocabulary.prefixes.values().filter(({ length }) => length > 0);
  return [...all, ...named].flatMap((prefix) => claimBlock(prefix, networks, vocabulary) ?? []);
}

function claimBlock(prefix: Prefix, networks: readonly Prefix[], vocabulary: RuleVocabulary): Claim {
  if (networks.some((network) => contains(network, prefix))) return { prefix, member: inCluster(prefix, 'unmanaged', vocabulary) };
  const own = prefix.length === 0 ? [] : [{ source: CIDR, key: formatPrefix(prefix), value: '' }];
  return { prefix, member: { labels: [...own, ...WORLD[prefix.family]], isWorld: true, facets: { ...NO_FACETS, prefix } } };
}

function wholeFamily({ family }: Prefix): Prefix {
  return { family, bits: 0n, length: 0 };
}

function distinct(prefixes: readonly Prefix[]): Prefix[] {
  return [...new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix])).values()];
}
