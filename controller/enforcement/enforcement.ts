import { isDeepStrictEqual } from 'node:util';
import { type KubeObject, type Node, type ObjectBatch, refOf } from '../../kube/index.ts';
import type { SlotOptions } from '../../l7-filters/envoy/index.ts';
import { type Diagnostic, type ObjectRef, objectKey, type PodEndpoint } from '../../model/index.ts';
import type { PolicyChange, PolicyEngine } from '../../policy/index.ts';
import {
  ADDRESS_TYPE,
  IDENTITY_TYPE,
  type Lead,
  NODE_ENDPOINTS_TYPE,
  type Outcome,
  type Resource,
  type ResourceChange,
  type ResourceName,
  type SnapshotCache,
  SUBJECT_POLICY_TYPE,
} from '../../xds-server/serve/index.ts';
import {
  type ServiceClients,
  translateAddress,
  translateIdentity,
  translateNodeEndpoints,
} from '../../xds-server/translate/node/identities.ts';
import { translateSubjectPolicy } from '../../xds-server/translate/node/policy.ts';
import type { IdentityRegistry } from '../identities/identity-registry.ts';
import { ZONE_LABEL } from '../pipeline/own-node.ts';
import type { ListenerChange } from '../pipeline/taken-services.ts';
import { ConfigScopes } from './config-scopes.ts';
import { PolicyStatuses } from './policy-statuses.ts';
import { ServiceSlots } from './service-slots.ts';
import { type NamedObject, ServiceChanges } from './services.ts';
import { SlotRefusals } from './slot-refusals.ts';
import type { SecretNeeds } from './slot-secrets.ts';
import { SlotResources } from './slots.ts';

export interface EnforcementOptions {
  readonly engine: PolicyEngine;
  /** Where the engine has its numbers from. */
  readonly registry: IdentityRegistry;
  /** What agents are served of. */
  readonly cache: SnapshotCache;
  readonly slots: SlotOptions;
  /** Publishes what Envoys need for slots, before nodes are told of these. */
  readonly publish: (change: ResourceChange) => void;
  /** What is published to Envoys. Default: nothing is, so nothing is refused. */
  readonly publishedVersion?: (name: ResourceName) => string | undefined;
  /** Whether nodes are to translate Services. Default: false. */
  readonly services?: boolean;
  /** By which nodes reach controllers, and which they do not translate. Default: none. */
  readonly controllerService?: NamedObject;
  /** Prefixes of pods' addresses on any node, beside those that Nodes tell. Default: none. */
  readonly podNetworks?: readonly string[];
}

/** What a batch came to. */
export interface TakenIn {
  /** Empty where it made no difference to anybody. */
  readonly change: ResourceChange;
  /** Of the cache, with the change. */
  readonly revision: number;
  /** Milliseconds. */
  readonly timing: { readonly ingestMs: number; readonly translateMs: number; readonly publishMs: number };
}

const NOTHING: ResourceChange = { upserts: [], removals: [] };
/** Kinds that people are told about. */
const POLICIES = new Set<KubeObject['kind']>(['NetworkPolicy', 'CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy']);

/** Where nodes translate no Services, controllers make no listeners that these are led to. */
const NOTHING_LED: Omit<ListenerChange, 'scopes'> = { listeners: [], gone: [], services: [] };

/** A node as agents on it are told of it. */
interface NodeState {
  addresses: readonly string[];
  clients: ServiceClients;
  isKnown: boolean;
  readonly endpoints: Map<string, PodEndpoint>;
}

/** Takes objects through the policy engine to what agents are told, in proportion to what changes. */
export class Enforcement {
  /** What policies are to be told in their statuses. */
  readonly statuses = new PolicyStatuses();
  readonly #options: EnforcementOptions;
  readonly #nodes = new Map<string, NodeState>();
  /** The node that each endpoint is on. */
  readonly #places = new Map<string, string>();
  readonly #touched = new Set<string>();
  readonly #services: ServiceChanges;
  readonly #slots: SlotResources;
  readonly #serviceSlots = new ServiceSlots();
  readonly #scopes = new ConfigScopes({ publish: (change) => this.#options.cache.apply(change) });
  readonly #refusals: SlotRefusals;
  /** Of policies, by the object's key. */
  readonly #uids = new Map<string, string>();
  #diagnostics: readonly Diagnostic[] = [];
  #isPolicing = false;
  #hasSeveralNodes = false;

  constructor(options: EnforcementOptions) {
    this.#options = options;
    this.#services = new ServiceChanges(options.controllerService);
    this.#slots = new SlotResources({ translation: options.slots, publish: options.publish });
    this.#refusals = new SlotRefusals((name) => options.publishedVersion?.(name));
  }

  /** Which Secrets came to be named by rules since this was asked last, and which are no longer. */
  takeSecretNeeds(): SecretNeeds {
    return this.#slots.secrets.takeNeeds();
  }

  /** To be called when all Secrets that rules name have been looked for, and those that exist were taken in. */
  settleSecrets(): void {
    this.#slots.settleSecrets();
  }

  close(): void {
    this.#slots.close();
    this.#scopes.close();
  }

  /** What Envoys of nodes have of CiliumEnvoyConfigs, with all that this requires. */
  readonly configResources: Lead = (scope) => this.#scopes.leadsTo(scope);

  /** What is wrong with policies at present, and what Envoys refuse of what was made of them. */
  diagnostics(): readonly Diagnostic[] {
    return [...this.#diagnostics, ...this.#refusals.diagnostics(this.#slots.slot, this.#serviceSlots.sourceOf)];
  }

  /**
   * To be told of what Envoys make of resources.
   * @returns whether it is about a part of a slot, so that nobody else need tell of it
   */
  noteOutcome(outcome: Outcome): boolean {
    const before = this.hasRefusals;
    if (!this.#refusals.note(outcome)) return false;
    if (before || this.hasRefusals) this.#tellStatuses();
    return true;
  }

  /** Takes in what of slots the Envoy of a node refuses, in its words by the names of filters and listeners. */
  noteRefused(node: string, refused: ReadonlyMap<string, string>): void {
    this.#refusals.tell(node, refused);
    this.#tellStatuses();
  }

  /** Whether an Envoy refuses anything of slots. */
  get hasRefusals(): boolean {
    return !this.#refusals.isEmpty;
  }

  #tellStatuses(): void {
    this.statuses.setFindings(this.diagnostics());
  }

  /** Of a policy that is there. */
  uidOf(ref: ObjectRef): string | undefined {
    return this.#uids.get(objectKey(ref));
  }

  /** Takes a batch in and publishes what it comes to, as one revision. */
  take(batch: Pick<ObjectBatch, 'upserts' | 'removals'>): TakenIn {
    const { cache } = this.#options;
    const startedAt = performance.now();
    const found = this.#ingest(batch);
    const ingestedAt = performance.now();
    const change = this.#translate(found);
    const translatedAt = performance.now();
    const before = cache.revision;
    cache.apply(change);
    const publishMs = performance.now() - translatedAt;
    const { revision } = cache;
    return {
      // What is translated anew may say what was there already.
      change: revision === before ? NOTHING : change,
      revision,
      timing: { ingestMs: ingestedAt - startedAt, translateMs: translatedAt - ingestedAt, publishMs },
    };
  }

  #ingest({ upserts, removals }: Pick<ObjectBatch, 'upserts' | 'removals'>): PolicyChange {
    const { engine, registry } = this.#options;
    let hasNumbers = false;
    for (const object of upserts) {
      if (object.kind === 'SluiceIdentity') registry.put(object);
      else this.#put(object);
      hasNumbers ||= object.kind === 'SluiceIdentity';
    }
    for (const ref of removals) {
      if (ref.kind === 'SluiceIdentity') registry.delete(Number(ref.name));
      else this.#delete(ref);
    }
    if (hasNumbers) {
      registry.renounceLacking();
      engine.retryIdentities();
    }
    return engine.flush();
  }

  /** Takes in what has changed of listeners that Services are led to, and publishes what it comes to, as one revision. */
  takeListeners(change: ListenerChange): void {
    const led = this.#options.services ? change : NOTHING_LED;
    if (led.listeners.length + led.gone.length + led.services.length + change.scopes.length === 0) return;
    const told = this.#scopes.take(change.scopes);
    // What nodes do not have may have changed with what there is.
    if (this.#scopes.isOfSome) for (const name of this.#nodes.keys()) this.#touched.add(name);
    const nodes = this.#takeNodes();
    const slots = this.#serviceSlots.take(led);
    for (const takers of led.services) this.#services.setTakers(takers);
    const services = this.#services.take();
    this.#options.cache.apply({
      upserts: [...slots.upserts, ...services.upserts, ...told.upserts, ...nodes.upserts],
      removals: [...slots.removals, ...services.removals, ...told.removals, ...nodes.removals],
    });
    if (this.hasRefusals) this.#tellStatuses();
  }

  #put(object: KubeObject): void {
    if (object.kind === 'Secret') this.#slots.secrets.put(object);
    if (!this.#isStatusOnly(object)) this.#options.engine.put(object);
    if (this.#options.services) this.#services.put(object);
    const { kind, metadata } = object;
    if (POLICIES.has(kind) && metadata.uid !== undefined) this.#uids.set(objectKey({ kind, ...metadata }), metadata.uid);
    if (kind !== 'Node') return;
    this.#putNode(object);
  }

  /** Whether nothing but the status of a policy has changed, which it is told itself. */
  #isStatusOnly(object: KubeObject): boolean {
    if (object.kind !== 'CiliumNetworkPolicy' && object.kind !== 'CiliumClusterwideNetworkPolicy') return false;
    const { spec, specs } = this.statuses.get(objectKey(refOf(object))) ?? {};
    const isPut = spec !== undefined || specs !== undefined;
    this.statuses.put(object);
    return isPut && isDeepStrictEqual([spec, specs], [object.spec, object.specs]);
  }

  #putNode({ metadata, spec, status }: Node): void {
    const node = this.#nodeOf(metadata.name);
    node.addresses = status.addresses.filter(({ type }) => type.endsWith('IP')).map(({ address }) => address);
    const zone = metadata.labels[ZONE_LABEL];
    node.clients = { ...(zone && { zone }), podNetworks: spec.podCIDRs };
    node.isKnown = true;
    this.#scopes.setNode(metadata.name, metadata.labels);
  }

  #delete(ref: ObjectRef): void {
    this.#options.engine.delete(ref);
    if (ref.kind === 'Secret') this.#slots.secrets.delete(ref);
    this.#uids.delete(objectKey(ref));
    this.statuses.delete(ref);
    this.#services.delete(ref);
    if (ref.kind !== 'Node') return;
    this.#refusals.forget(ref.name);
    this.#scopes.setNode(ref.name);
    Object.assign(this.#nodeOf(ref.name), unknownNode());
  }

  #translate(change: PolicyChange): ResourceChange {
    const { identities, addresses, policies, slots, endpoints, diagnostics } = change;
    if (diagnostics) this.#diagnostics = diagnostics;
    for (const endpoint of endpoints.removals) this.#removeEndpoint(keyOf(endpoint));
    for (const endpoint of endpoints.upserts) this.#putEndpoint(endpoint);
    this.#settlePolicing();
    const nodes = this.#takeNodes();
    const scopes = this.#scopes.takeNodes();
    const services = this.#services.take();
    const ofSlots = this.#slots.take(slots.upserts, slots.removals);
    // Slots may have other rules now, and what was refused of them may be gone.
    if (diagnostics || this.hasRefusals) this.#tellStatuses();
    return {
      upserts: [
        ...ofSlots.upserts,
        ...policies.upserts.map(translateSubjectPolicy),
        ...identities.upserts.map(translateIdentity),
        ...addresses.upserts.map(translateAddress),
        ...services.upserts,
        ...nodes.upserts,
        ...scopes.upserts,
      ],
      removals: [
        ...ofSlots.removals,
        ...policies.removals.map((identity) => ({ typeUrl: SUBJECT_POLICY_TYPE, name: String(identity) })),
        ...identities.removals.map((identity) => ({ typeUrl: IDENTITY_TYPE, name: String(identity) })),
        ...addresses.removals.map((name) => ({ typeUrl: ADDRESS_TYPE, name })),
        ...services.removals,
        ...nodes.removals,
        ...scopes.removals,
      ],
    };
  }

  /** A pod of a cluster never moves to another node, but one in a file may. */
  #putEndpoint(endpoint: PodEndpoint): void {
    const key = keyOf(endpoint);
    if (this.#places.get(key) !== endpoint.node) this.#removeEndpoint(key);
    this.#places.set(key, endpoint.node);
    this.#nodeOf(endpoint.node).endpoints.set(key, endpoint);
  }

  #removeEndpoint(key: string): void {
    const node = this.#places.get(key);
    if (node === undefined) return;
    this.#places.delete(key);
    this.#nodeOf(node).endpoints.delete(key);
  }

  /** All nodes are told of the first policy, and of the end of the last; and whether there are others, who know them by addresses alone. */
  #settlePolicing(): void {
    const isPolicing = this.#options.engine.isPolicing();
    const hasSeveralNodes =
      this.#nodes
        .values()
        .filter(({ isKnown }) => isKnown)
        .take(2)
        .toArray().length > 1;
    if (isPolicing === this.#isPolicing && hasSeveralNodes === this.#hasSeveralNodes) return;
    this.#isPolicing = isPolicing;
    this.#hasSeveralNodes = hasSeveralNodes;
    for (const name of this.#nodes.keys()) this.#touched.add(name);
  }

  #guardedNetworks({ clients }: NodeState): readonly string[] {
    return this.#isPolicing ? [...new Set([...clients.podNetworks, ...(this.#options.podNetworks ?? [])])] : [];
  }

  #takeNodes(): { readonly upserts: Resource[]; readonly removals: ResourceName[] } {
    const upserts: Resource[] = [];
    const removals: ResourceName[] = [];
    for (const name of this.#touched) {
      const node = this.#nodes.get(name);
      if (!node) continue;
      if (node.isKnown || node.endpoints.size > 0) {
        const endpoints = [...node.endpoints].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
        const { addresses: nodeAddresses } = node;
        const serviceClients = { ...node.clients, slotsElsewhere: this.#scopes.slotsElsewhere(name) };
        const guardedNetworks = this.#guardedNetworks(node);
        const needsIngressAddress = this.#isPolicing && this.#hasSeveralNodes;
        const clients = this.#options.services && { serviceClients };
        upserts.push(translateNodeEndpoints({ node: name, endpoints, nodeAddresses, guardedNetworks, needsIngressAddress, ...clients }));
      } else {
        this.#nodes.delete(name);
        removals.push({ typeUrl: NODE_ENDPOINTS_TYPE, name });
      }
    }
    this.#touched.clear();
    return { upserts, removals };
  }

  /** The node, of which something is about to change. */
  #nodeOf(name: string): NodeState {
    this.#touched.add(name);
    const known = this.#nodes.get(name);
    if (known) return known;
    const node: NodeState = { ...unknownNode(), endpoints: new Map() };
    this.#nodes.set(name, node);
    return node;
  }
}

function unknownNode(): Omit<NodeState, 'endpoints'> {
  return { addresses: [], clients: { podNetworks: [] }, isKnown: false };
}

function keyOf({ pod, uid }: PodEndpoint): string {
  return `${objectKey(pod)} ${uid}`;
}
