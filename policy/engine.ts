import { equal } from '../collection/index.ts';
import { type CiliumClusterwideNetworkPolicy, type CiliumNetworkPolicy, type KubeObject, refOf } from '../kube/index.ts';
import {
  type AddressEntry,
  compareDiagnostics,
  type Diagnostic,
  type Direction,
  type Identity,
  type IdentityEntry,
  type ObjectRef,
  objectKey,
  type PodEndpoint,
  RESERVED_IDENTITIES,
  type Slot,
  type SubjectPolicy,
} from '../model/index.ts';
import { diagnoseConflicts } from './conflicts.ts';
import { type IdentityAllocator, MemoryIdentityAllocator } from './identity/allocator.ts';
import { factsOf } from './identity/facts.ts';
import { IdentityTable } from './identity/identity-table.ts';
import { DEFAULT_NAMESPACE } from './identity/ingress-address.ts';
import { diagnoseHandling } from './identity/pod-handling.ts';
import { RESERVED_FACTS } from './identity/reserved.ts';
import { RuleVocabulary } from './identity/rule-vocabulary.ts';
import { LabelFilter } from './labels/label-filter.ts';
import { diagnose } from './report.ts';
import { ingestCiliumPolicy } from './rules/ingest-cilium-policy.ts';
import { ingestNetworkPolicy } from './rules/ingest-network-policy.ts';
import type { IngestedPolicy, PolicyUnit } from './rules/rule.ts';
import { Services, serviceOf } from './rules/services.ts';
import type { EnforcementMode } from './verdicts/frame.ts';
import { VerdictCompiler } from './verdicts/verdict-compiler.ts';

export interface PolicyEngineOptions {
  /** Where numbers come from; by default from memory. */
  readonly allocator?: IdentityAllocator;
  /** By default `default`: those are isolated whom a policy selects that isolates. */
  readonly enforcement?: EnforcementMode;
  /** Cilium's `cluster-name`; by default `default`. */
  readonly cluster?: string;
  /** Prefixes of pods' addresses that no Node tells, as some CNIs have it. An address of these that is no pod's is never the world's. */
  readonly podNetworks?: readonly string[];
  /** Expressions of Cilium's label filter, after the defaults. */
  readonly labelFilter?: readonly string[];
  /** Whether a namespace without object has no labels but its name, as in manifests; by default its pods are `init` until it is known. */
  readonly impliesNamespaces?: boolean;
  /** The largest RE2 program that Envoy takes, in instructions; by default 1000. */
  readonly regexMaxProgramSize?: number;
  /** The namespace that Sluice runs in, whose pods may be nodes' ingress addresses; by default `sluice-system`. */
  readonly ownNamespace?: string;
}

/** What is different from what was told before. Nothing is told twice, and what is equal is the same object. */
export interface PolicyChange {
  readonly identities: { readonly upserts: readonly IdentityEntry[]; readonly removals: readonly Identity[] };
  /** Removals are the prefixes. */
  readonly addresses: { readonly upserts: readonly AddressEntry[]; readonly removals: readonly string[] };
  /** One that is upserted takes the place of the one with the same pod and uid. One without addresses is of a pod that has none yet. */
  readonly endpoints: { readonly upserts: readonly PodEndpoint[]; readonly removals: readonly PodEndpoint[] };
  /** One for each identity that an endpoint has, and that of `init`. */
  readonly policies: { readonly upserts: readonly SubjectPolicy[]; readonly removals: readonly Identity[] };
  /** Those that verdicts name; removals are the names. One is told no later than the first verdict with it. */
  readonly slots: { readonly upserts: readonly Slot[]; readonly removals: readonly string[] };
  /** All that is wrong at present; undefined where nothing of it changed. */
  readonly diagnostics: readonly Diagnostic[] | undefined;
}

type CiliumPolicy = CiliumNetworkPolicy | CiliumClusterwideNetworkPolicy;

/** Whose endpoints are the API servers. */
const API_SERVER_NAMESPACE = 'default';
const API_SERVER = `${API_SERVER_NAMESPACE}/kubernetes`;

/** That of the settings. */
const DEFAULT_MAX_PROGRAM_SIZE = 1_000;

/** Cheaper than to look for it, and no harm where it is wrong. */
function namesServices({ spec, specs }: CiliumPolicy): boolean {
  return JSON.stringify([spec, specs]).includes('"toServices"');
}

/**
 * Turns objects into identities and verdicts, in proportion to what changes. Objects are given one by one; what they come to is told
 * by `flush`, at once for all of them.
 */
export class PolicyEngine {
  readonly #vocabulary = new RuleVocabulary();
  readonly #table: IdentityTable;
  readonly #compiler: VerdictCompiler;
  readonly #policies = new Map<string, IngestedPolicy>();
  /** How many endpoints bear each identity. */
  readonly #bearers = new Map<Identity, number>();
  readonly #bearing = new Map<string, Identity>();
  readonly #services = new Services();
  readonly #usersOfServices = new Map<string, CiliumPolicy>();
  readonly #cluster: string;
  readonly #mode: EnforcementMode;
  readonly #regexMaxProgramSize: number;
  /** Of annotations of pods and namespaces, by the object's key. */
  readonly #ofHandling = new Map<string, readonly Diagnostic[]>();
  #policiesChanged = false;
  /** As of the last flush, like those below. */
  #ofPolicies: readonly Diagnostic[] = [];
  #hostNetwork: readonly Diagnostic[] = [];
  #diagnostics: readonly Diagnostic[] = [];
  #toldReserved = false;

  constructor(options: PolicyEngineOptions = {}) {
    this.#cluster = options.cluster ?? 'default';
    this.#table = new IdentityTable(this.#vocabulary, {
      allocator: options.allocator ?? new MemoryIdentityAllocator(),
      filter: new LabelFilter(options.labelFilter),
      cluster: this.#cluster,
      podNetworks: options.podNetworks ?? [],
      impliesNamespaces: options.impliesNamespaces ?? false,
      ownNamespace: options.ownNamespace ?? DEFAULT_NAMESPACE,
    });
    this.#mode = options.enforcement ?? 'default';
    this.#regexMaxProgramSize = options.regexMaxProgramSize ?? DEFAULT_MAX_PROGRAM_SIZE;
    this.#compiler = new VerdictCompiler(this.#mode);
    for (const facts of RESERVED_FACTS) this.#compiler.putIdentity(facts);
    this.#bearers.set(RESERVED_IDENTITIES.init, 1);
    this.#compiler.setSubject(RESERVED_IDENTITIES.init, true);
  }

  /** Takes an object that is new or has changed. Kinds that have no part in policy are ignored. */
  put(object: KubeObject): void {
    switch (object.kind) {
      case 'Pod':
        this.#table.putPod(object);
        this.#setHandlingFindings(objectKey(refOf(object)), diagnoseHandling(object));
        break;
      case 'Namespace':
        this.#table.setNamespace(object.metadata.name, object);
        this.#setHandlingFindings(objectKey(refOf(object)), diagnoseHandling(object));
        break;
      case 'Node':
        this.#table.setNode(object.metadata.name, object);
        break;
      case 'Service':
        this.#services.putService(object);
        break;
      case 'EndpointSlice':
        this.#services.putSlice(object);
        if (serviceOf(object) === API_SERVER) this.#table.setApiServers(object.metadata.name, object);
        break;
      case 'NetworkPolicy':
        this.#setPolicy(objectKey(refOf(object)), ingestNetworkPolicy(object));
        break;
      case 'CiliumNetworkPolicy':
      case 'CiliumClusterwideNetworkPolicy':
        this.#putCiliumPolicy(object);
        break;
    }
  }

  delete(ref: ObjectRef): void {
    switch (ref.kind) {
      case 'Pod':
        this.#table.deletePod(ref.namespace, objectKey(ref));
        this.#setHandlingFindings(objectKey(ref), []);
        break;
      case 'Namespace':
        this.#table.setNamespace(ref.name, undefined);
        this.#setHandlingFindings(objectKey(ref), []);
        break;
      case 'Node':
        this.#table.setNode(ref.name, undefined);
        break;
      case 'Service':
        this.#services.deleteService(ref.namespace, ref.name);
        break;
      case 'EndpointSlice':
        this.#services.deleteSlice(objectKey(ref));
        if (ref.namespace === API_SERVER_NAMESPACE) this.#table.setApiServers(ref.name, undefined);
        break;
      case 'NetworkPolicy':
      case 'CiliumNetworkPolicy':
      case 'CiliumClusterwideNetworkPolicy':
        this.#setPolicy(objectKey(ref), undefined);
        this.#usersOfServices.delete(objectKey(ref));
        break;
    }
  }

  /** Asks the allocator again for numbers that it had none of. */
  retryIdentities(): void {
    this.#table.retry();
  }

  /** Whether a policy may stop anybody from doing anything: as long as there is none, it does not matter who somebody is. */
  isPolicing(): boolean {
    if (this.#mode !== 'default') return this.#mode === 'always';
    return this.#policies.values().some(({ units }) => units.length > 0);
  }

  /** As of the last flush. */
  policy(subject: Identity): SubjectPolicy | undefined {
    return this.#compiler.policy(subject);
  }

  /** As of the last flush. */
  slot(name: string): Slot | undefined {
    return this.#compiler.slot(name);
  }

  /** The policies by which what nothing allows a subject is denied in a direction, each once. As of the last flush. */
  isolating(subject: Identity, direction: Direction): ObjectRef[] {
    const objects = this.#compiler.isolating(subject, direction).map(({ object }) => object);
    return [...new Map(objects.map((object) => [objectKey(object), object])).values()];
  }

  /** What has become of everything that was given since the last flush. */
  flush(): PolicyChange {
    this.#refreshServices();
    const { facts, entries, removals, addresses, endpoints } = this.#table.settle();
    for (const identity of removals) this.#compiler.deleteIdentity(identity);
    for (const each of facts) this.#compiler.putIdentity(each);
    for (const endpoint of endpoints.removals) this.#bear(endpoint, undefined);
    for (const endpoint of endpoints.upserts) this.#bear(endpoint, endpoint.identity);
    const { slots, ...policies } = this.#compiler.settle();
    const reserved = this.#toldReserved ? [] : RESERVED_FACTS.map(({ identity, labels }) => ({ identity, labels: labels.texts }));
    this.#toldReserved = true;
    const upserts = [...reserved, ...entries].sort((a, b) => a.identity - b.identity);
    return { identities: { upserts, removals }, addresses, endpoints, policies, slots, diagnostics: this.#diagnose() };
  }

  #putCiliumPolicy(policy: CiliumPolicy): void {
    const key = objectKey(refOf(policy));
    if (namesServices(policy)) this.#usersOfServices.set(key, policy);
    else this.#usersOfServices.delete(key);
    this.#setPolicy(key, this.#ingest(policy));
  }

  #ingest(policy: CiliumPolicy): IngestedPolicy {
    return ingestCiliumPolicy(policy, {
      cluster: this.#cluster,
      services: this.#services,
      regexMaxProgramSize: this.#regexMaxProgramSize,
    });
  }

  /** Rules that name Services mean others once those change. */
  #refreshServices(): void {
    if (!this.#services.takeChanged()) return;
    for (const [key, policy] of this.#usersOfServices) {
      const ingested = this.#ingest(policy);
      if (!equal(this.#policies.get(key), ingested)) this.#setPolicy(key, ingested);
    }
  }

  #setPolicy(key: string, ingested: IngestedPolicy | undefined): void {
    this.#policiesChanged = true;
    const before = this.#policies.get(key);
    const units = new Map(ingested?.units.map((unit) => [unit.key, unit]));
    // What the new rules name is there before the old ones go: what both name has not changed then, and nobody is looked at again.
    for (const unit of units.values()) this.#vocabulary.add(unit);
    for (const unit of before?.units ?? []) {
      this.#vocabulary.remove(unit);
      if (!units.has(unit.key)) this.#compiler.deleteUnit(unit.key);
    }
    for (const unit of units.values()) this.#compiler.putUnit(unit);
    if (ingested) this.#policies.set(key, ingested);
    else this.#policies.delete(key);
  }

  #setHandlingFindings(key: string, findings: readonly Diagnostic[]): void {
    if (findings.length > 0) this.#ofHandling.set(key, findings);
    else this.#ofHandling.delete(key);
  }

  #bear({ pod, uid }: PodEndpoint, identity: Identity | undefined): void {
    const key = `${objectKey(pod)} ${uid}`;
    const before = this.#bearing.get(key);
    if (identity === before) return;
    if (identity !== undefined) {
      this.#bearing.set(key, identity);
      this.#bearers.set(identity, (this.#bearers.get(identity) ?? 0) + 1);
      this.#compiler.setSubject(identity, true);
    } else this.#bearing.delete(key);
    if (before === undefined) return;
    const left = (this.#bearers.get(before) ?? 1) - 1;
    if (left > 0) this.#bearers.set(before, left);
    else this.#bearers.delete(before);
    this.#compiler.setSubject(before, left > 0);
  }

  #diagnose(): readonly Diagnostic[] | undefined {
    if (this.#policiesChanged) this.#ofPolicies = [...this.#policies.values()].flatMap((policy) => policy.diagnostics);
    const withoutNumber = this.#table.podsWithoutNumber().map((pod) => {
      return diagnose(refOf(pod), [], 'IdentityMissing', 'has labels without a number: it counts as init');
    });
    if (this.#table.takeHostNetworkChanged() || this.#policiesChanged) this.#hostNetwork = this.#findHostNetwork();
    this.#policiesChanged = false;
    const conflicts = diagnoseConflicts(this.#compiler.conflicts());
    const ofHandling = [...this.#ofHandling.values()].flat();
    const ofObjects = [...this.#ofPolicies, ...conflicts, ...ofHandling];
    const diagnostics = [...ofObjects, ...withoutNumber, ...this.#hostNetwork].sort(compareDiagnostics);
    if (equal(diagnostics, this.#diagnostics)) return undefined;
    this.#diagnostics = diagnostics;
    return diagnostics;
  }

  /** One finding for each policy that selects pods of the host network. */
  #findHostNetwork(): Diagnostic[] {
    const podsOf = new Map<string, { readonly object: ObjectRef; readonly names: string[] }>();
    const selecting = new Map<string, readonly PolicyUnit[]>();
    for (const { pod, member } of this.#table.hostNetworkPods()) {
      const facts = factsOf(0, member.labels, false, member.facets);
      const labels = facts.labels.texts.join('\n');
      const units = selecting.get(labels) ?? this.#compiler.selecting(facts);
      selecting.set(labels, units);
      for (const { object } of units) {
        const found = podsOf.get(objectKey(object)) ?? { object, names: [] };
        podsOf.set(objectKey(object), found);
        found.names.push(`${pod.metadata.namespace}/${pod.metadata.name}`);
      }
    }
    return Array.from(podsOf.values(), ({ object, names }) => {
      const distinct = [...new Set(names)];
      const others = distinct.length > 1 ? ` and ${distinct.length - 1} more` : '';
      return diagnose(
        object,
        [],
        'HostNetworkNotEnforced',
        `selects pods of the host network, for which it does nothing: ${distinct[0]}${others}`,
      );
    });
  }
}
