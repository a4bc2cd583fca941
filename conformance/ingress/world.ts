import { Backend, type BackendOptions } from '../../testkit/backend.ts';
import { GrpcEcho } from '../../testkit/grpc-echo.ts';
import { type MadeCertificate, makeCertificate } from '../../testkit/make-certificate.ts';
import {
  type IngressManifest,
  ingressManifest,
  type ManifestObject,
  secretManifest,
  serviceManifest,
  sliceManifest,
} from '../../testkit/manifest-objects.ts';
import { patiently } from './patience.ts';
import { type ClusterAccess, type Deployment, POD_PORT, type Site } from './platform.ts';
import { addressesOf } from './read-object.ts';
import { ServedIngress } from './served-ingress.ts';

/** The first of a scenario's Ingresses is the one that its pods name. */
const INGRESS = 'web';

type ServicePorts = Parameters<typeof serviceManifest>[1];

/**
 * What a scenario does, in the words of what it is about. Everything is in a namespace of the scenario's own and ends with it.
 *
 *     await world.services('a');
 *     const web = await world.ingress('web', { rules: { 'a.test': 'a' } });
 *     await web.answers('http://a.test/', 'a');
 */
export class World implements AsyncDisposable {
  readonly site: Site;
  readonly namespace: string;
  readonly #open: AsyncDisposable[] = [];
  readonly #beside: World[] = [];
  #requests = 0;

  constructor(site: Site, namespace: string) {
    this.site = site;
    this.namespace = namespace;
  }

  /** How many requests were sent, also to Ingresses of namespaces beside. */
  get requests(): number {
    return this.#beside.reduce((sum, { requests }) => sum + requests, this.#requests);
  }

  /** Takes note of a request. */
  countRequest(): void {
    this.#requests += 1;
  }

  /** The interface to the cluster, for scenarios that need one. */
  get cluster(): ClusterAccess {
    return this.site.cluster();
  }

  /** A host of this namespace only, for Ingresses that share an address with those of others. */
  host(label: string): string {
    return `${label}.${this.namespace}.test`;
  }

  /** Another namespace. */
  async beside(suffix: string): Promise<World> {
    const world = new World(this.site, `${this.namespace}-${suffix}`);
    await this.site.addNamespace(world.namespace);
    this.#beside.push(world);
    return world;
  }

  /** Applies objects, in this namespace where they name none. */
  async apply(...objects: readonly ManifestObject[]): Promise<void> {
    await this.site.apply(...objects.map((object) => ({ ...object, metadata: { namespace: this.namespace, ...object.metadata } })));
  }

  /** Applies objects that are in no namespace. They are removed at the end where their names begin with that of the namespace. */
  async applyGlobal(...objects: readonly ManifestObject[]): Promise<void> {
    for (const { apiVersion, kind, metadata } of objects.filter((object) => object.metadata.name.startsWith(this.namespace))) {
      const named = { apiVersion, kind, namespace: '', name: metadata.name };
      this.#open.push({ [Symbol.asyncDispose]: async () => await this.site.remove(named) });
    }
    await this.site.apply(...objects);
  }

  /** Applies objects that others see too, and brings them back to what they were, whatever happens in between. */
  async whileApplied(objects: readonly ManifestObject[], before: readonly ManifestObject[], run: () => Promise<void>): Promise<void> {
    await this.site.apply(...objects);
    try {
      await run();
    } finally {
      await this.site.apply(...before);
    }
  }

  /** An object of this namespace as the cluster has it; undefined where there is none. */
  async read(apiVersion: string, kind: string, name: string): Promise<unknown> {
    return await this.cluster.read({ apiVersion, kind, namespace: this.namespace, name });
  }

  /** @throws where an Ingress has an address */
  async hasNoAddress(ingress: ServedIngress): Promise<void> {
    const addresses = addressesOf(await this.cluster.read(ingress.object));
    if (addresses.length > 0) throw new Error(`Ingress ${ingress.name} has the address ${addresses.join(', ')}`);
  }

  async remove(apiVersion: string, kind: string, name: string): Promise<void> {
    await this.site.remove({ apiVersion, kind, namespace: this.namespace, name });
  }

  /** A Service for each name, with port 80 and one pod. */
  async services(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map(async (name) => await this.service(name)));
  }

  /** A Service on pods of the same name. Ports without a target are those of the pods. */
  async service(
    name: string,
    replicas = 1,
    ports: ServicePorts = [{ port: 80 }],
    spec: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const toPods = ports.map((port) => ({ targetPort: POD_PORT.port, ...port }));
    await this.apply(serviceManifest(name, toPods, { selector: { app: name }, ...spec }));
    await this.deploy(name, { replicas });
  }

  /** Pods with the label `app`. */
  async deploy(name: string, more: Partial<Deployment> & Pick<Deployment, 'replicas'>): Promise<void> {
    await this.site.deploy({ namespace: this.namespace, name, ingress: INGRESS, ...more });
  }

  /** A Service without selector whose only endpoint is in this process, for what pods cannot do. */
  async ownService(name: string, options: Partial<BackendOptions> & { readonly appProtocol?: string } = {}): Promise<Backend> {
    const { appProtocol, ...rest } = options;
    const address = await this.site.ownAddress();
    const backend = await Backend.start({ name: `${this.namespace}/${name}/own`, address, ...rest });
    this.#open.push(backend);
    await this.#endpoint(name, address, backend.port, appProtocol);
    return backend;
  }

  /** The same for gRPC. */
  async ownGrpcService(name: string, appProtocol: string): Promise<void> {
    const address = await this.site.ownAddress();
    const server = await GrpcEcho.start(name, `${address}:0`);
    this.#open.push(server);
    await this.#endpoint(name, address, server.port, appProtocol);
  }

  async #endpoint(name: string, address: string, port: number, appProtocol?: string): Promise<void> {
    await this.apply(
      serviceManifest(name, [{ name: 'own', port: 80, ...(appProtocol && { appProtocol }) }]),
      sliceManifest(name, [{ name: 'own', port }], { endpoints: [{ addresses: [address], conditions: { ready: true } }] }),
    );
  }

  /** A Secret with a certificate for these names, signed by itself. */
  async certificate(secret: string, ...names: readonly string[]): Promise<MadeCertificate> {
    const made = makeCertificate({ names, commonName: names[0] ?? secret });
    await this.apply(secretManifest(secret, made));
    return made;
  }

  /** Makes an Ingress and waits until it is served. */
  async ingress(name: string, options: IngressManifest): Promise<ServedIngress> {
    const ingress = await this.unawaitedIngress(name, options);
    await ingress.served();
    return ingress;
  }

  async unawaitedIngress(name: string, options: IngressManifest): Promise<ServedIngress> {
    await this.apply(ingressManifest(name, options));
    return this.ingressNamed(name);
  }

  /** One that was applied by itself, with fields that {@link ingress} does not know. */
  ingressNamed(name: string): ServedIngress {
    return new ServedIngress(this, name);
  }

  /** Creation times are whole seconds. */
  async untilNextSecond(): Promise<void> {
    const second = Math.floor(Date.now() / 1000);
    await patiently(async () => {
      if (Math.floor(Date.now() / 1000) < second + 2) throw new Error('the clock stands still');
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of [...this.#beside, ...this.#open.splice(0)]) await resource[Symbol.asyncDispose]();
  }
}
