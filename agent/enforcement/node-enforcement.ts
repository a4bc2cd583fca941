import { isIPv6 } from 'node:net';
import type { Datapath, Redirect } from '../../bpf/datapath/index.ts';
import { type AddressEntry, type Identity, objectKey, RESERVED_IDENTITIES, type SubjectPolicy } from '../../model/index.ts';
import {
  ADDRESS_TYPE,
  ENDPOINT_SLICE_TYPE,
  IDENTITY_TYPE,
  NODE_ENDPOINTS_TYPE,
  REDIRECT_TYPE,
  type Resource,
  type ResourceChange,
  SERVICE_TYPE,
  SUBJECT_POLICY_TYPE,
} from '../../xds-server/serve/index.ts';
import { errorOf } from '../error-of.ts';
import type { TcpSockets } from '../netlink/index.ts';
import { type DevicesState, PodDevices } from '../pods/index.ts';
import { changesPeers } from './changed-peers.ts';
import { decodeAddress, decodeIdentity, decodeNodeEndpoints, decodeRedirect, decodeSubjectPolicy, type OwnEndpoints } from './decode.ts';
import { decodeService, decodeSlice, decodeTakers } from './decode-services.ts';
import { DepartedPods } from './departed-pods.ts';
import { Doors, type PodDoor, type WantedDoors } from './doors.ts';
import { EnforcementError } from './enforcement-error.ts';
import { FormerCopies } from './former-copies.ts';
import { FormerSlots } from './former-slots.ts';
import { KeptConnections } from './kept-connections.ts';
import { MetCopies } from './met-copies.ts';
import { Newcomers } from './newcomers.ts';
import type { NodeIngress } from './node-ingress.ts';
import type { NodeClients, NodeServices } from './node-services.ts';
import { OpeningsForOutside } from './openings-for-outside.ts';
import { OpeningsForPods } from './openings-for-pods.ts';
import type { Steering } from './steering.ts';
import { TakenPorts } from './taken-ports.ts';

export interface NodeEnforcementOptions {
  readonly datapath: Datapath;
  /** Default: none; what rules of layer 7 decide of is dropped. It goes with this. */
  readonly steering?: Steering;
  /** Of the node. Default: none; connections by slots that do not hold any more are not ended. */
  readonly connections?: Pick<TcpSockets, 'list' | 'destroy'>;
  /** Default: none; what Envoy opens for Ingresses is any process' of the node. */
  readonly ingress?: NodeIngress;
  /** Default: none; Services are left to others. It goes with this. */
  readonly services?: NodeServices;
  /** Told what could not be done, and is tried again. */
  readonly onFailure: (error: Error) => void;
}

export interface EnforcementState {
  readonly devices: DevicesState;
  /** Devices of pods that nobody has told the addresses of, by the names of the devices. */
  readonly newcomers: readonly PodDoor[];
  /** Pods at whose devices nothing could be attached, and why. */
  readonly open: ReadonlyMap<string, string>;
}

const NOTHING = { endpoints: [], nodeAddresses: [], guardedNetworks: [], needsIngressAddress: false };
const NO_TAKERS: ReadonlyMap<number, string> = new Map();
const SHOWN_KEYS = 5;
const HOST: Identity = RESERVED_IDENTITIES.host;

/**
 * Puts in force on this node what its agent is told. What is in the kernel stays there when this ends, and is taken over by the next,
 * which takes away nothing before {@link NodeEnforcement.reconcile} says that it was told everything.
 */
export class NodeEnforcement implements AsyncDisposable {
  readonly #datapath: Datapath;
  readonly #options: NodeEnforcementOptions;
  readonly #devices: PodDevices;
  readonly #doors: Doors;
  readonly #labels = new Map<Identity, readonly string[]>();
  readonly #told = new Map<string, Identity>();
  #nodeAddresses: readonly string[] = [];
  #guardedNetworks: readonly string[] = [];
  #needsIngressAddress = false;
  readonly #newcomers: Newcomers;
  readonly #departed = new DepartedPods();
  readonly #kept: KeptConnections;
  readonly #formerSlots: FormerSlots | undefined;
  readonly #openings: OpeningsForPods | undefined;
  readonly #outside: OpeningsForOutside | undefined;
  #cameLast: readonly PodDoor[] = [];
  #newcomersTimer: NodeJS.Timeout | undefined;
  /** Prefixes of this node's own addresses. */
  #own: ReadonlySet<string> = new Set();
  #isReconciled = false;
  readonly #policies = new Map<Identity, SubjectPolicy>();
  /** Slots that have one. */
  readonly #redirects = new Set<string>();
  readonly #taken: TakenPorts;
  readonly #copies: MetCopies;
  readonly #formerCopies: FormerCopies | undefined;

  /** @throws NetlinkError */
  constructor(options: NodeEnforcementOptions) {
    const { datapath, connections, onFailure } = options;
    this.#options = options;
    this.#datapath = datapath;
    this.#doors = new Doors(datapath, onFailure);
    this.#taken = new TakenPorts({ table: datapath.taken, frontendsOf: (port) => options.services?.frontendsOf(port) ?? [] });
    this.#formerCopies = connections && new FormerCopies({ datapath, connections, onFailure });
    this.#copies = new MetCopies({ datapath, onChange: (met) => this.#formerCopies?.set(met) });
    this.#newcomers = new Newcomers({ isKnown: (ifindex) => datapath.endpoints.get(ifindex) !== undefined });
    this.#kept = new KeptConnections({
      datapath,
      policyOf: (identity) => this.#policies.get(identity),
      labelsOf: (identity) => this.#labels.get(identity),
      onFailure,
    });
    const policyOf = (identity: Identity) => this.#policies.get(identity);
    this.#formerSlots = connections && new FormerSlots({ datapath, connections, policyOf, onFailure });
    this.#openings = connections && new OpeningsForPods({ datapath, connections, onFailure });
    this.#outside = connections && new OpeningsForOutside({ datapath, connections, onFailure });
    this.#devices = new PodDevices({ onChange: () => this.#onDevices(), onFailure });
  }

  state(): EnforcementState {
    return { devices: this.#devices.state, newcomers: this.#cameLast, open: this.#doors.open };
  }

  /** Of an identity that this node was told of. */
  labelsOf(identity: Identity): readonly string[] | undefined {
    return this.#labels.get(identity);
  }

  /** Of an identity that a pod of this node has. */
  policyOf(identity: Identity): SubjectPolicy | undefined {
    return this.#policies.get(identity);
  }

  /**
   * Takes in a change.
   * @throws DatapathError where the kernel does not take it
   * @returns why resources are refused, by name; the others are in force then
   */
  async apply(change: ResourceChange): Promise<ReadonlyMap<string, string>> {
    const refusals = new Map<string, string>();
    const read = <T>(typeUrl: string, decode: (name: string, body: Uint8Array) => T): T[] =>
      change.upserts.filter((resource) => resource.typeUrl === typeUrl).flatMap((resource) => readOr(resource, decode, refusals));
    const removed = (typeUrl: string) => change.removals.filter((name) => name.typeUrl === typeUrl).map(({ name }) => name);

    await this.#setRedirects(read(REDIRECT_TYPE, decodeRedirect));
    const policies = read(SUBJECT_POLICY_TYPE, decodeSubjectPolicy);
    for (const policy of policies) this.#policies.set(policy.subject, policy);
    await this.#datapath.verdicts.set(policies);
    await this.#kept.see(this.#devices.state.pods);
    for (const { identity, labels } of read(IDENTITY_TYPE, decodeIdentity)) this.#labels.set(identity, labels);
    for (const name of removed(IDENTITY_TYPE)) this.#labels.delete(Number(name));
    const [addresses, goneAddresses] = [read(ADDRESS_TYPE, decodeAddress), removed(ADDRESS_TYPE)];
    if (changesPeers(this.#told, addresses, goneAddresses)) this.#formerSlots?.forget();
    await this.#setAddresses(addresses, goneAddresses);
    await this.#options.services?.take({
      services: read(SERVICE_TYPE, decodeService),
      slices: read(ENDPOINT_SLICE_TYPE, decodeSlice),
      removedServices: removed(SERVICE_TYPE),
      removedSlices: removed(ENDPOINT_SLICE_TYPE),
    });
    for (const { service, takers } of read(SERVICE_TYPE, (service, body) => ({ service, takers: decodeTakers(service, body) })))
      this.#taken.setTakers(service, takers);
    for (const service of removed(SERVICE_TYPE)) this.#taken.setTakers(service, NO_TAKERS);
    for (const own of read(NODE_ENDPOINTS_TYPE, decodeNodeEndpoints)) {
      await this.#setEndpoints(own);
      await this.#kept.see(this.#devices.state.pods);
      await this.#options.services?.setClients(clientsOf(own));
      this.#taken.setElsewhere(own.serviceClients?.slotsElsewhere ?? []);
    }
    await this.#settleTaken();
    // Clients of Services stay what they were: there are some as long as there is a node.
    if (removed(NODE_ENDPOINTS_TYPE).length > 0) await this.#setEndpoints(NOTHING);
    // Who newcomers may be depends on the policies of those who are awaited.
    else if (policies.length > 0) await this.#doors.set(this.#wanted());
    this.#setIngress();
    if (policies.length + addresses.length + goneAddresses.length > 0) {
      this.#options.ingress?.review();
      this.#openings?.review();
      this.#outside?.review();
    }
    if (policies.length > 0) this.#options.ingress?.reviewAccepted();
    // Without slots there are no connections of any, but for those that pass until their listener is gone.
    if (this.#redirects.size > 0) this.#formerSlots?.end(this.#devices.state.pods);
    const gone = removed(SUBJECT_POLICY_TYPE).map(Number);
    for (const subject of gone) this.#policies.delete(subject);
    await this.#datapath.verdicts.remove(gone);
    await this.#removeRedirects(removed(REDIRECT_TYPE));
    return refusals;
  }

  /**
   * Makes the kernel hold what this was told and nothing else. To be called when everything has been told, and now and then: what
   * somebody else changed is made good, and told of.
   */
  async reconcile(): Promise<void> {
    try {
      const { addresses, verdicts, endpoints, redirects, taken, takenForClients, askedCopies } = this.#datapath;
      await redirects.retain((slot) => this.#redirects.has(slot));
      await addresses.retain((prefix) => this.#told.has(prefix) || this.#own.has(prefix));
      if (this.#redirects.size > 0) this.#options.steering?.ensure();
      await this.#taken.retainTold();
      await this.#settleTaken();
      const repairs = {
        redirects: await redirects.repair(),
        'taken addresses': await taken.repair(),
        'copies of listeners': await takenForClients.repair(),
        'rules that copies ask': await askedCopies.repair(),
        addresses: await addresses.repair(),
        verdicts: await verdicts.repair(),
        endpoints: await endpoints.repair(),
      };
      await this.#doors.verify(this.#wanted());
      this.#options.ingress?.reconcile();
      for (const [table, { foreign, missing }] of Object.entries(repairs)) this.#tellRepaired(table, [...foreign, ...missing]);
      this.#isReconciled = true;
    } catch (error) {
      this.#options.onFailure(errorOf(error));
    }
    await this.#options.services?.reconcile();
  }

  /** Follows nothing any more. What is in force stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#devices[Symbol.dispose]();
    this.#formerCopies?.[Symbol.dispose]();
    clearTimeout(this.#newcomersTimer);
    await this.#doors.settled();
    await this.#options.services?.[Symbol.asyncDispose]();
    this.#options.steering?.[Symbol.dispose]();
  }

  async #setRedirects(told: readonly Redirect[]): Promise<void> {
    if (told.length === 0) return;
    const redirects = told.map((each) => (this.#wasThere(each) ? { ...each, ready: true } : each));
    for (const { slot } of redirects) this.#redirects.add(slot);
    this.#taken.setRedirects(redirects);
    this.#copies.setRedirects(redirects);
    this.#options.steering?.ensure();
    await this.#datapath.redirects.set(redirects);
    this.#kept.forget();
  }

  /** An agent that starts has yet to hear of its Envoy that the listener is there. If it is not, what is for it finds nobody, and is dropped. */
  #wasThere({ slot, port }: Redirect): boolean {
    const known = this.#datapath.redirects.get(slot);
    return known?.port === port && known.ready;
  }

  async #removeRedirects(slots: readonly string[]): Promise<void> {
    for (const slot of slots) this.#redirects.delete(slot);
    this.#taken.removeRedirects(slots);
    this.#copies.removeRedirects(slots);
    await this.#settleTaken();
    await this.#datapath.redirects.remove(slots);
  }

  async #settleTaken(): Promise<void> {
    await this.#taken.settle();
    const { services } = this.#options;
    const led = Array.from(this.#taken.led(), ({ port, slot }) => ({
      slot,
      frontends: services?.frontendsOf(port) ?? [],
      backends: services?.backendsOf(port) ?? [],
    }));
    await this.#copies.settle(led, this.#policies.values());
  }

  async #setAddresses(entries: readonly AddressEntry[], removed: readonly string[]): Promise<void> {
    for (const { prefix, identity } of entries) this.#told.set(prefix, identity);
    for (const prefix of removed) this.#told.delete(prefix);
    const set = entries.map(({ prefix, identity }) => this.#entryOf(prefix, identity));
    await this.#datapath.addresses.apply({ set, removed: removed.filter((prefix) => !this.#own.has(prefix)) });
  }

  /** To this node its own addresses are its host, whatever others take them for. */
  #entryOf(prefix: string, identity: Identity): AddressEntry {
    return { prefix, identity: this.#own.has(prefix) ? HOST : identity };
  }

  async #setEndpoints({ endpoints, nodeAddresses, guardedNetworks, needsIngressAddress }: Omit<OwnEndpoints, 'node'>): Promise<void> {
    this.#nodeAddresses = nodeAddresses;
    this.#guardedNetworks = guardedNetworks;
    this.#needsIngressAddress = needsIngressAddress;
    this.#devices.set(endpoints, nodeAddresses);
    await this.#setOwn();
    await this.#doors.set(this.#wanted());
  }

  #wanted(): WantedDoors {
    const { state } = this.#devices;
    this.#cameLast = this.#newcomers.find(state, {
      guardedNetworks: this.#guardedNetworks,
      policyOf: (identity) => this.#policies.get(identity),
      isTold: (address) => this.#told.has(prefixOf(address)),
    });
    this.#options.steering?.endConnectionsOf(this.#departed.take(state));
    clearTimeout(this.#newcomersTimer);
    const delay = this.#newcomers.nextInMs();
    if (delay !== undefined) this.#newcomersTimer = setTimeout(() => void this.#doors.set(this.#wanted()), delay).unref();
    const came = new Set(this.#cameLast.map(({ ifindex }) => ifindex));
    const known = state.pods.filter(({ ifindex }) => !came.has(ifindex));
    const pods = known.map(({ ifindex, endpoint: { pod, identity, addresses } }) => ({
      ifindex,
      key: objectKey(pod),
      identity,
      addresses,
    }));
    return { pods: [...pods, ...this.#cameLast], network: state.network };
  }

  #onDevices(): void {
    void this.#doors.set(this.#wanted()).then(() => this.#setIngress());
    this.#setOwn().catch((error: unknown) => this.#options.onFailure(errorOf(error)));
  }

  /** After the doors: what has the address is judged there. */
  #setIngress(): void {
    const open = this.#doors.open;
    const pods = this.#devices.state.pods.map(({ endpoint }) => endpoint).filter(({ pod }) => !open.has(objectKey(pod)));
    this.#options.ingress?.set(pods, (identity) => this.#labels.get(identity), this.#needsIngressAddress);
  }

  async #setOwn(): Promise<void> {
    const before = this.#own;
    const { hostAddresses, linkLocalAddresses } = this.#devices.state;
    const own = new Set([...this.#nodeAddresses, ...hostAddresses, ...linkLocalAddresses].map(prefixOf));
    this.#own = own;
    const set = [...own].filter((prefix) => !before.has(prefix)).map((prefix) => ({ prefix, identity: HOST }));
    const removed: string[] = [];
    for (const prefix of before) {
      if (own.has(prefix)) continue;
      const identity = this.#told.get(prefix);
      if (identity === undefined) removed.push(prefix);
      else set.push({ prefix, identity });
    }
    await this.#datapath.addresses.apply({ set, removed });
    await this.#options.services?.setAddresses(hostAddresses);
    // Node ports are at these. Before everything was told, what a process before this one left stays.
    if (this.#isReconciled) await this.#settleTaken();
  }

  /** At first, what differs is what a process before this one left. */
  #tellRepaired(table: string, keys: readonly string[]): void {
    if (keys.length === 0 || !this.#isReconciled) return;
    const some = keys.slice(0, SHOWN_KEYS).join(', ');
    const message = `${keys.length} ${table} in the kernel were not as they had been written (${some}${keys.length > SHOWN_KEYS ? ', …' : ''}); they are again`;
    this.#options.onFailure(new EnforcementError('drifted', message));
  }
}

function readOr<T>({ name, body }: Resource, decode: (name: string, body: Uint8Array) => T, refusals: Map<string, string>): T[] {
  try {
    return [decode(name, body)];
  } catch (error) {
    if (!(error instanceof EnforcementError)) throw error;
    refusals.set(name, error.message);
    return [];
  }
}

/** Where no network of pods is told of, those that are not known yet may come from anywhere. */
function clientsOf({ node, endpoints, nodeAddresses, serviceClients }: OwnEndpoints): NodeClients | undefined {
  if (!serviceClients) return undefined;
  const { zone, podNetworks } = serviceClients;
  const known = [...nodeAddresses, ...endpoints.flatMap(({ addresses }) => addresses)].map(prefixOf);
  return { name: node, ...(zone !== undefined && { zone }), networks: podNetworks.length > 0 ? [...podNetworks, ...known] : [] };
}

function prefixOf(address: string): string {
  return `${address}/${isIPv6(address) ? 128 : 32}`;
}
