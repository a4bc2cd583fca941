import { equal } from '../../collection/index.ts';
import { type EndpointSlice, type Namespace, type Node, type Pod, refOf } from '../../kube/index.ts';
import { type AddressEntry, objectKey, type PodEndpoint, RESERVED_IDENTITIES } from '../../model/index.ts';
import { contains, formatAddress, formatPrefix, type Prefix, parseAddress, parsePrefix } from '../addresses/prefix.ts';
import { KUBERNETES } from '../labels/label.ts';
import type { LabelFilter } from '../labels/label-filter.ts';
import type { IdentityAllocator } from './allocator.ts';
import { type Claim, type Claimant, Claims } from './claim.ts';
import { NO_FACETS } from './facts.ts';
import { type IdentityChanges, IdentityGroups, type Member } from './identity-groups.ts';
import { claimInfrastructure } from './infrastructure.ts';
import { isIngressHolder } from './ingress-address.ts';
import { namedPod } from './named-pod.ts';
import { readHandling } from './pod-handling.ts';
import { podLabels } from './pod-labels.ts';
import { reservedLabels } from './reserved.ts';
import type { RuleVocabulary, VocabularyChange } from './rule-vocabulary.ts';

export interface IdentityTableOptions {
  readonly allocator: IdentityAllocator;
  readonly filter: LabelFilter;
  /** The name of the cluster, as `io.cilium.k8s.policy.cluster` has it. */
  readonly cluster: string;
  /** Prefixes that pods have their addresses from, beside those that Nodes tell. */
  readonly podNetworks: readonly string[];
  /** Whether a namespace that there is no object for has no labels but its name; if not, its pods are `init`. */
  readonly impliesNamespaces: boolean;
  /** Sluice's own, whose pods may be nodes' ingress addresses. */
  readonly ownNamespace: string;
}

export interface IdentityTableChanges extends IdentityChanges {
  readonly addresses: { readonly upserts: readonly AddressEntry[]; readonly removals: readonly string[] };
  readonly endpoints: { readonly upserts: readonly PodEndpoint[]; readonly removals: readonly PodEndpoint[] };
}

/** Beyond so many that came or went at once, all pods are looked at rather than each block for each. */
const FEW_BLOCKS = 16;

/** Who has which identity: pods, nodes, and the addresses that rules name. */
export class IdentityTable {
  readonly #options: IdentityTableOptions;
  readonly #vocabulary: RuleVocabulary;
  readonly #groups: IdentityGroups;
  readonly #claims = new Claims();
  readonly #pods = new Map<string, Pod>();
  readonly #hostNetwork = new Set<string>();
  readonly #ingressHolders = new Set<string>();
  /** Pods that have a node and no address yet. */
  readonly #awaited = new Set<string>();
  #hostNetworkChanged = false;
  readonly #podsOfNamespace = new Map<string, Set<string>>();
  readonly #namespaces = new Map<string, Namespace>();
  readonly #nodes = new Map<string, Node>();
  readonly #apiServers = new Map<string, EndpointSlice>();
  readonly #stalePods = new Set<string>();
  #isInfrastructureStale = true;
  readonly #addresses = new Map<string, AddressEntry>();
  readonly #endpoints = new Map<string, PodEndpoint>();
  /** Pods by the keys of their members. */
  readonly #podOfMember = new Map<string, string>();

  constructor(vocabulary: RuleVocabulary, options: IdentityTableOptions) {
    this.#vocabulary = vocabulary;
    this.#options = options;
    this.#groups = new IdentityGroups(options.allocator);
  }

  putPod(pod: Pod): void {
    const key = objectKey(refOf(pod));
    const { namespace } = pod.metadata;
    this.#pods.set(key, pod);
    this.#noteHostNetwork(key, pod.spec.hostNetwork);
    if (isIngressHolder(pod, this.#options.ownNamespace)) this.#ingressHolders.add(key);
    else this.#ingressHolders.delete(key);
    const others = this.#podsOfNamespace.get(namespace);
    if (others) others.add(key);
    else this.#podsOfNamespace.set(namespace, new Set([key]));
    this.#stalePods.add(key);
  }

  deletePod(namespace: string, key: string): void {
    if (!this.#pods.delete(key)) return;
    this.#noteHostNetwork(key, false);
    this.#ingressHolders.delete(key);
    const others = this.#podsOfNamespace.get(namespace);
    others?.delete(key);
    if (others?.size === 0) this.#podsOfNamespace.delete(namespace);
    this.#stalePods.add(key);
  }

  /** @param namespace undefined for one that is gone */
  setNamespace(name: string, namespace: Namespace | undefined): void {
    if (namespace) this.#namespaces.set(name, namespace);
    else this.#namespaces.delete(name);
    this.#hostNetworkChanged = true;
    for (const key of this.#podsOfNamespace.get(name) ?? []) this.#stalePods.add(key);
  }

  /** @param node undefined for one that is gone */
  setNode(name: string, node: Node | undefined): void {
    if (node) this.#nodes.set(name, node);
    else this.#nodes.delete(name);
    this.#isInfrastructureStale = true;
    // What networks it has says what addresses they will get.
    for (const key of this.#awaited) this.#stalePods.add(key);
  }

  /** @param slice of the Service `default/kubernetes`; undefined for one that is gone */
  setApiServers(name: string, slice: EndpointSlice | undefined): void {
    if (!slice && !this.#apiServers.has(name)) return;
    if (slice) this.#apiServers.set(name, slice);
    else this.#apiServers.delete(name);
    this.#isInfrastructureStale = true;
  }

  /** Asks the allocator again for the numbers that it had none of. */
  retry(): void {
    this.#groups.retry();
  }

  /** The pods whose labels have no number. */
  podsWithoutNumber(): Pod[] {
    const keys = new Set(Array.from(this.#groups.withoutNumber(), (member) => this.#podOfMember.get(member) ?? ''));
    return [...keys].sort().flatMap((key) => this.#pods.get(key) ?? []);
  }

  /** Whether the pods of the host network, or their labels, may be others since this was asked last. */
  takeHostNetworkChanged(): boolean {
    const changed = this.#hostNetworkChanged;
    this.#hostNetworkChanged = false;
    return changed;
  }

  /** Pods of the host network that run, with what makes identities of others: they have neither identity nor endpoint. */
  hostNetworkPods(): { readonly pod: Pod; readonly member: Member }[] {
    const pods = [...this.#hostNetwork].sort().flatMap((key) => this.#pods.get(key) ?? []);
    return pods.filter(isRunning).map((pod) => ({ pod, member: this.#memberOf(pod, undefined) }));
  }

  /** Takes in what changed, in rules also, since this was called last. */
  settle(): IdentityTableChanges {
    const change = this.#vocabulary.takeChange();
    if (change) this.#noteVocabulary(change);
    for (const key of this.#stalePods) this.#claimPod(key);
    if (this.#isInfrastructureStale) this.#claimInfrastructure();
    const changes = this.#groups.take();
    for (const member of changes.members) {
      this.#claims.touchMember(member);
      const pod = this.#podOfMember.get(member);
      if (pod !== undefined) this.#stalePods.add(pod);
    }
    const settled = { ...changes, addresses: this.#settleAddresses(), endpoints: this.#settleEndpoints() };
    this.#stalePods.clear();
    this.#isInfrastructureStale = false;
    return settled;
  }

  /** Has those pods looked at again for whom it may make a difference what rules name. */
  #noteVocabulary({ labelKeys, portNames, blocks }: VocabularyChange): void {
    this.#isInfrastructureStale = true;
    // Labels that identities are made of tell pods apart whether rules name them or not.
    const areAll = blocks.length > FEW_BLOCKS || labelKeys.values().some((key) => !this.#options.filter.includes(KUBERNETES, key));
    for (const [key, pod] of this.#pods) {
      if (this.#stalePods.has(key)) continue;
      if (areAll || this.#awaited.has(key) || hasPort(pod, portNames) || isWithin(pod, blocks)) this.#stalePods.add(key);
    }
  }

  #noteHostNetwork(key: string, isOfHost: boolean): void {
    if (isOfHost || this.#hostNetwork.has(key)) this.#hostNetworkChanged = true;
    if (isOfHost) this.#hostNetwork.add(key);
    else this.#hostNetwork.delete(key);
  }

  #claimPod(key: string): void {
    const pod = this.#pods.get(key);
    const claims = pod && hasEndpoint(pod) ? addressesOf(pod).map((prefix) => ({ prefix, member: this.#memberOf(pod, prefix) })) : [];
    this.#claim('pod', key, claims, key);
    this.#await(key, pod && isAwaited(pod) ? this.#memberWithoutAddress(pod) : undefined);
    if (pod && isAwaited(pod)) this.#awaited.add(key);
    else this.#awaited.delete(key);
  }

  /** After the pod has claimed its addresses: an identity that it keeps is not given up in between. */
  #await(pod: string, member: Member | undefined): void {
    const key = awaitedKey(pod);
    if (member) {
      this.#groups.set(key, member);
      this.#podOfMember.set(key, pod);
    } else if (this.#podOfMember.delete(key)) this.#groups.delete(key);
  }

  #claimInfrastructure(): void {
    const { podNetworks } = this.#options;
    const all = claimInfrastructure([...this.#nodes.values()], [...this.#apiServers.values()], podNetworks, this.#vocabulary);
    const owners = new Set(all.map(({ owner }) => owner));
    for (const owner of this.#claims.ownersOf('node')) if (!owners.has(owner)) this.#claim('node', owner, []);
    for (const { kind, owner, claims } of all) this.#claim(kind, owner, claims);
  }

  #claim(kind: Claimant, owner: string, claims: readonly Claim[], pod?: string): void {
    const { members, gone } = this.#claims.set(
      kind,
      owner,
      claims.map(({ prefix }) => prefix),
    );
    for (const key of gone) {
      this.#groups.delete(key);
      this.#podOfMember.delete(key);
    }
    for (const { prefix, member } of claims) {
      const key = members.get(formatPrefix(prefix));
      if (key === undefined) continue;
      this.#groups.set(key, member);
      if (pod === undefined) continue;
      this.#podOfMember.set(key, pod);
      // It may be called otherwise, whoever it is.
      this.#claims.touchMember(key);
    }
  }

  #memberOf(pod: Pod, address: Prefix | undefined): Member {
    const { filter, cluster, impliesNamespaces, ownNamespace } = this.#options;
    const prefix = address && this.#vocabulary.blocks.longest(address);
    if (isIngressHolder(pod, ownNamespace)) return { labels: reservedLabels('ingress'), isWorld: false, facets: { ...NO_FACETS, prefix } };
    const namespace = this.#namespaces.get(pod.metadata.namespace);
    if (!namespace && !impliesNamespaces) return { labels: reservedLabels('init'), isWorld: false, facets: NO_FACETS };
    const { identity, others } = podLabels(pod, namespace?.metadata.labels ?? {}, cluster, filter);
    const labels = others.filter(({ key }) => this.#vocabulary.namesLabel(key));
    const ports = pod.spec.ports.filter(({ name }) => this.#vocabulary.namesPort(name));
    return { labels: identity, isWorld: false, facets: { labels, ports, prefix, handling: readHandling(pod, namespace) } };
  }

  /** Undefined where rules tell its identity by an address that it does not have yet. */
  #memberWithoutAddress(pod: Pod): Member | undefined {
    const { podNetworks } = this.#options;
    const { blocks } = this.#vocabulary;
    const networks = [...(this.#nodes.get(pod.spec.nodeName ?? '')?.spec.podCIDRs ?? []), ...podNetworks].flatMap(
      (text) => parsePrefix(text) ?? [],
    );
    // The first network of a node is of the family that its pods have their first address of.
    const possible = networks.filter(({ family }) => family === networks[0]?.family);
    const [first, ...others] = possible.map((network) => blocks.longest(network));
    const isSure =
      possible.length > 0 && !possible.some((network) => blocks.hasWithin(network)) && others.every((each) => equal(each, first));
    return isSure || blocks.size === 0 ? this.#memberOf(pod, possible[0]) : undefined;
  }

  #settleAddresses(): IdentityTableChanges['addresses'] {
    const upserts: AddressEntry[] = [];
    const removals: string[] = [];
    for (const prefix of [...this.#claims.takeTouched()].sort()) {
      const holder = this.#claims.holder(prefix);
      const entry = holder === undefined ? undefined : this.#entryOf(prefix, holder);
      if (equal(entry, this.#addresses.get(prefix))) continue;
      if (entry) {
        this.#addresses.set(prefix, entry);
        upserts.push(entry);
      } else {
        this.#addresses.delete(prefix);
        removals.push(prefix);
      }
    }
    return { upserts, removals };
  }

  /** @param holder the key of its member */
  #entryOf(prefix: string, holder: string): AddressEntry | undefined {
    const identity = this.#groups.identityOf(holder);
    const pod = this.#pods.get(this.#podOfMember.get(holder) ?? '');
    return identity === undefined ? undefined : { prefix, identity, ...(pod && { pod: namedPod(pod) }) };
  }

  #settleEndpoints(): IdentityTableChanges['endpoints'] {
    const upserts: PodEndpoint[] = [];
    const removals: PodEndpoint[] = [];
    for (const key of [...this.#stalePods].sort()) {
      const before = this.#endpoints.get(key);
      const now = this.#endpointOf(key);
      if (equal(before, now)) continue;
      if (now) {
        this.#endpoints.set(key, now);
        upserts.push(now);
      } else this.#endpoints.delete(key);
      if (before && before.uid !== now?.uid) removals.push(before);
    }
    return { upserts, removals };
  }

  #endpointOf(key: string): PodEndpoint | undefined {
    const pod = this.#pods.get(key);
    const node = pod?.spec.nodeName;
    if (!pod || node === undefined || !hasEndpoint(pod)) return undefined;
    const addresses = addressesOf(pod);
    const [first] = addresses;
    const member = first ? this.#claims.memberKey(key, first) : awaitedKey(key);
    const identity = this.#groups.identityOf(member) ?? RESERVED_IDENTITIES.init;
    return { pod: refOf(pod), uid: pod.metadata.uid ?? '', node, addresses: addresses.map(formatAddress), identity };
  }
}

/** A pod that has ended has given its addresses back. */
function isRunning({ status }: Pod): boolean {
  return status.phase !== 'Succeeded' && status.phase !== 'Failed';
}

function hasEndpoint(pod: Pod): boolean {
  return isRunning(pod) && !pod.spec.hostNetwork;
}

/** Whether it is about to start, or has, and the API server does not know its address. */
function isAwaited(pod: Pod): boolean {
  return hasEndpoint(pod) && pod.spec.nodeName !== undefined && addressesOf(pod).length === 0;
}

function awaitedKey(pod: string): string {
  return `${pod} awaited`;
}

function hasPort({ spec }: Pod, names: ReadonlySet<string>): boolean {
  return names.size > 0 && spec.ports.some(({ name }) => name !== undefined && names.has(name));
}

function isWithin(pod: Pod, blocks: readonly Prefix[]): boolean {
  return blocks.length > 0 && addressesOf(pod).some((address) => blocks.some((block) => contains(block, address)));
}

/** Each is asked for whenever rules change. */
const addresses = new WeakMap<Pod, readonly Prefix[]>();

function addressesOf(pod: Pod): readonly Prefix[] {
  const known = addresses.get(pod);
  if (known) return known;
  const prefixes = pod.status.addresses.flatMap((address) => parseAddress(address) ?? []);
  const distinct = [...new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix])).values()];
  addresses.set(pod, distinct);
  return distinct;
}
