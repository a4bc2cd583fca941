import { isIPv4, isIPv6 } from 'node:net';
import { areServicesAttached, Pace, type ServiceDatapath, translationProblem } from '../../bpf/datapath/index.ts';
import { Graph } from '../../collection/index.ts';
import type { EndpointSlice, Service } from '../../kube/index.ts';
import type { ClientNode, Diagnostic, ServiceBackend, ServiceFrontend, ServicePortTranslation } from '../../model/index.ts';
import { deriveTranslations, frontendKey, ONLY, whyLeftOutside } from '../../service-translation/index.ts';
import { errorOf } from '../error-of.ts';
import { EnforcementError } from './enforcement-error.ts';

const FAMILIES = ['IPv4', 'IPv6'] as const;
/** Ends of the names of translations: not of those that clients are refused, or that are not translated. */
const LED = ['', '/external'] as const;
/** Frontends of node ports, by which each of the node's own addresses of the family is meant. */
const ANYWHERE: ReadonlyMap<string, (address: string) => boolean> = new Map([
  ['0.0.0.0', isIPv4],
  ['::', isIPv6],
]);

export interface NodeServicesOptions {
  /** Where maps and links are kept. */
  readonly pinFolder: string;
  readonly open: () => Promise<ServiceDatapath>;
  /** The cgroup of all clients; throws where it cannot be seen. */
  readonly findCgroup: () => string;
  /** Told what could not be done, and is tried again by the next {@link NodeServices.reconcile}. */
  readonly onFailure: (error: Error) => void;
}

/** Clients of Services on a node. */
export interface NodeClients extends ClientNode {
  /** Prefixes that all of them have their addresses of; none where that is not known. */
  readonly networks: readonly string[];
}

/** Where a Service is reached that a listener takes. */
export interface LedFrontend extends ServiceFrontend {
  /** Whether the listener has what is asked there from outside of the node, too: else that is kube-proxy's. */
  readonly fromOutside: boolean;
}

export interface NodeServicesState {
  /** How many there are to be. */
  readonly translations: number;
  /** Whether the kernel translates. */
  readonly isInForce: boolean;
  /** What went wrong the last time. */
  readonly failure?: string;
}

export interface ServiceObjects {
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  /** By `namespace/name`, as those below. */
  readonly removedServices?: readonly string[];
  readonly removedSlices?: readonly string[];
}

/**
 * Translates Services for the clients of this node. What goes wrong with it is told and stops nothing else: Services are left to others
 * then. Nothing in the kernel changes before the first `reconcile`, since until then what was left there by the process before may be all
 * that there is.
 */
export class NodeServices implements AsyncDisposable {
  readonly #options: NodeServicesOptions;
  readonly #graph = new Graph();
  readonly #inputs = {
    services: this.#graph.input<Service>('services'),
    slices: this.#graph.input<EndpointSlice>('slices'),
    node: this.#graph.input<ClientNode>('node'),
    clients: this.#graph.input<readonly string[]>('clients'),
  };
  readonly #derived = deriveTranslations(this.#graph, this.#inputs);
  /** Names of translations that may be otherwise in the kernel. */
  readonly #unwritten = new Set<string>();
  #isWanted = false;
  #isReconciled = false;
  #isClosed = false;
  #addresses: readonly string[] = [];
  /** Undefined while Services are left to others. */
  #datapath: ServiceDatapath | undefined;
  #failure = '';
  #last: Promise<void> = Promise.resolve();

  constructor(options: NodeServicesOptions) {
    this.#options = options;
  }

  /** Undefined where Services are left to others. */
  state(): NodeServicesState | undefined {
    if (!this.#isWanted) return undefined;
    return {
      translations: this.#derived.translations.size,
      isInForce: this.#datapath !== undefined,
      ...(this.#failure !== '' && { failure: this.#failure }),
    };
  }

  /** What is wrong with Services, as this node sees them. */
  diagnostics(): readonly Diagnostic[] {
    return [...this.#derived.diagnostics.values()].flat();
  }

  /**
   * Where a port of a Service is reached, node ports at each of the node's own addresses, by `namespace/name:port/TCP`; nowhere where Services are left to
   * others.
   */
  frontendsOf(port: string): readonly LedFrontend[] {
    const service = this.#inputs.services.get(port.slice(0, port.lastIndexOf(':')));
    if (!service) return [];
    const names = FAMILIES.flatMap((family) => LED.map((suffix) => `${port}/${family}${suffix}`));
    return names.flatMap((name) => {
      const frontends = this.#derived.translations.get(name)?.frontends ?? [];
      return frontends.flatMap((frontend) => {
        const fromOutside = whyLeftOutside(service, frontend) === undefined;
        return this.#ownOf(frontend).map((each) => ({ ...each, fromOutside }));
      });
    });
  }

  /** Who has one of the node's addresses by its own name has it before node ports. */
  #ownOf(frontend: ServiceFrontend): readonly ServiceFrontend[] {
    const isMeant = ANYWHERE.get(frontend.address);
    if (!isMeant) return [frontend];
    const all = this.#addresses.filter(isMeant).map((address) => ({ ...frontend, address }));
    return all.filter((each) => this.#derived.owners.get(frontendKey(each)) === undefined);
  }

  /** Who serves a port of a Service for clients of this node, by the same name. */
  backendsOf(port: string): readonly ServiceBackend[] {
    return FAMILIES.flatMap((family) => this.#derived.translations.get(`${port}/${family}`)?.backends ?? []);
  }

  /** Resolves when the kernel has it, or what cannot be was told of. One call after the other, as those below. */
  async take({ services = [], slices = [], removedServices = [], removedSlices = [] }: ServiceObjects): Promise<void> {
    for (const service of services) this.#inputs.services.set(keyOf(service), service);
    for (const slice of slices) this.#inputs.slices.set(keyOf(slice), slice);
    for (const key of removedServices) this.#inputs.services.delete(key);
    for (const key of removedSlices) this.#inputs.slices.delete(key);
    await this.#settle();
  }

  /** @param clients undefined: Services are left to others */
  async setClients(clients: NodeClients | undefined): Promise<void> {
    const isSame = this.#isWanted === (clients !== undefined);
    this.#isWanted = clients !== undefined;
    if (clients) {
      const { networks, ...node } = clients;
      this.#inputs.node.set(ONLY, node);
      this.#inputs.clients.set(ONLY, networks);
    } else this.#inputs.node.delete(ONLY);
    await this.#settle();
    if (this.#isReconciled && !isSame) await this.reconcile();
  }

  /** @param addresses of the node's devices, without loopback */
  async setAddresses(addresses: readonly string[]): Promise<void> {
    if (String(addresses) === String(this.#addresses)) return;
    this.#addresses = addresses;
    await this.#inTurn(async () => await this.#datapath?.setNodeAddresses(this.#addresses));
  }

  /** Makes the kernel hold what this was told and nothing else. To be called when everything has been told, and now and then. */
  async reconcile(): Promise<void> {
    this.#isReconciled = true;
    await this.#inTurn(async () => {
      if (this.#isClosed) return;
      if (!this.#isWanted) await this.#leave();
      else if (this.#datapath) await this.#verify(this.#datapath);
      else this.#datapath = await this.#enter();
    });
  }

  /** What is in force stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    this.#datapath?.[Symbol.dispose]();
    this.#datapath = undefined;
  }

  async #settle(): Promise<void> {
    this.#graph.settle();
    for (const name of this.#derived.translations.changed) this.#unwritten.add(name);
    if (this.#unwritten.size === 0) return;
    await this.#inTurn(async () => {
      if (this.#datapath) await this.#write(this.#datapath);
    });
  }

  /** What the kernel does not take is given to it again with the next change. */
  async #write(datapath: ServiceDatapath): Promise<void> {
    const names = [...this.#unwritten];
    if (names.length === 0) return;
    this.#unwritten.clear();
    try {
      const set = await this.#sound(names.flatMap((name) => this.#derived.translations.get(name) ?? []));
      const isSet = new Set(set.map(({ name }) => name));
      await datapath.apply({ set, removed: names.filter((name) => !isSet.has(name)) });
    } catch (error) {
      for (const name of names) this.#unwritten.add(name);
      throw error;
    }
  }

  /** Where no programs are at work yet they begin with nothing, so that packets to Services are not dropped before anything translates them. */
  async #enter(): Promise<ServiceDatapath> {
    const cgroup = this.#options.findCgroup();
    using unfinished = new DisposableStack();
    const datapath = unfinished.use(await this.#options.open());
    if (!areServicesAttached(this.#options.pinFolder)) datapath.attach(cgroup);
    await datapath.setNodeAddresses(this.#addresses);
    await datapath.reconcile(await this.#all());
    datapath.attach(cgroup);
    unfinished.move();
    return datapath;
  }

  async #verify(datapath: ServiceDatapath): Promise<void> {
    await this.#write(datapath);
    await datapath.setNodeAddresses(this.#addresses);
    const { written, deleted } = await datapath.reconcile(await this.#all());
    datapath.attach(this.#options.findCgroup());
    if (written + deleted === 0) return;
    const message = `${written + deleted} entries of Services in the kernel were not as they had been written; they are again`;
    this.#options.onFailure(new EnforcementError('drifted', message));
  }

  /** Addresses go first: where nothing translates them they must not be known as such. */
  async #leave(): Promise<void> {
    if (!this.#datapath && !areServicesAttached(this.#options.pinFolder)) return;
    using datapath = this.#datapath ?? (await this.#options.open());
    this.#datapath = undefined;
    await datapath.reconcile([]);
    datapath.detach();
  }

  async #all(): Promise<readonly ServicePortTranslation[]> {
    this.#unwritten.clear();
    return await this.#sound([...this.#derived.translations.values()]);
  }

  /** Without those that the kernel cannot have; one of them is not to stop the others. Others have their turn in between. */
  async #sound(translations: readonly ServicePortTranslation[]): Promise<readonly ServicePortTranslation[]> {
    const pace = new Pace();
    const sound: ServicePortTranslation[] = [];
    for (const translation of translations) {
      const problem = translationProblem(translation);
      if (problem === undefined) sound.push(translation);
      else this.#options.onFailure(new EnforcementError('malformed', `${translation.name}: ${problem}`));
      if (pace.isDue) await pace.rest();
    }
    return sound;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work).then(
      () => {
        if (this.#unwritten.size === 0 && this.#isWanted === (this.#datapath !== undefined)) this.#failure = '';
      },
      (error: unknown) => this.#tell(errorOf(error)),
    );
    return this.#last;
  }

  /** Once, however often it is tried. */
  #tell(error: Error): void {
    if (error.message === this.#failure) return;
    this.#failure = error.message;
    this.#options.onFailure(error);
  }
}

function keyOf({ metadata: { namespace, name } }: Service | EndpointSlice): string {
  return `${namespace}/${name}`;
}
