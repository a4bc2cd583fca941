import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { z } from 'zod';
import { type ApiClient, ifFound } from '../../kube/index.ts';
import type { ManifestObject } from '../../testkit/manifest-objects.ts';
import { echoDeployment } from './echo-deployment.ts';
import { objectOf } from './objects.ts';
import { patiently } from './patience.ts';
import type { ClusterAccess, Deployment, ObjectName, Platform, Site, Target } from './platform.ts';
import { addressesOf, metadataOf } from './read-object.ts';

export interface ClusterOptions {
  readonly client: ApiClient;
  /** Where nodes of the cluster reach this process. */
  readonly ownAddress: string;
  /** How many scenarios run at once; default 3. */
  readonly concurrency?: number;
}

const KUBELET_PORT = 10_250;
const FIELD_MANAGER = 'sluice-conformance';
const LABEL = 'sluice.io/conformance';
const PRODUCT_NAMESPACE = 'sluice-system';
const SERVED_WITHIN_MS = 60_000;
const PODS_WITHIN_MS = 120_000;
const ENDED_WITHIN_MS = 120_000;

const PLURALS: Readonly<Record<string, string>> = { Ingress: 'ingresses', IngressClass: 'ingressclasses' };

/** Whatever serves Ingresses in the cluster that a client is for. */
export class ClusterPlatform implements Platform {
  readonly kind = 'cluster';
  readonly concurrency: number;
  readonly limitMs = 240_000;
  readonly #options: ClusterOptions;
  /** Of all scenarios. */
  readonly #namespaces = new Set<string>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.concurrency = options.concurrency ?? 3;
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    const { client } = this.#options;
    const { gitVersion } = z.object({ gitVersion: z.string() }).parse(await client.request({ path: '/version' }));
    const images = await this.#productImages();
    return { Kubernetes: gitVersion, ...Object.fromEntries(images.map((image, index) => [`Image ${index + 1}`, image])) };
  }

  async open(): Promise<Site> {
    return new ClusterSite(this.#options, (name) => this.#namespaces.add(name));
  }

  /** Waits until nothing of the scenarios is left. */
  async close(): Promise<void> {
    const { client } = this.#options;
    await patiently(async () => {
      const list = await client.request({ path: '/api/v1/namespaces', query: { labelSelector: LABEL } });
      const left = itemsOf(list)
        .map((namespace) => metadataOf(namespace).name)
        .filter((name) => this.#namespaces.has(name));
      if (left.length > 0) throw new Error(`namespaces that do not end: ${left.join(', ')}`);
    }, ENDED_WITHIN_MS);
    await client.close();
  }

  async #productImages(): Promise<readonly string[]> {
    const { client } = this.#options;
    const template = z.object({ spec: z.object({ containers: z.array(z.object({ image: z.string() })) }) });
    const pod = z.object({ spec: z.object({ template }) });
    const found: string[] = [];
    for (const kind of ['deployments', 'daemonsets']) {
      const list = await client.request({ path: `/apis/apps/v1/namespaces/${PRODUCT_NAMESPACE}/${kind}` });
      for (const item of itemsOf(list)) found.push(...pod.parse(item).spec.template.spec.containers.map(({ image }) => image));
    }
    return [...new Set(found)];
  }
}

/** The address of this machine that it speaks to the first node from, so that nodes can answer there. */
export async function addressTowardsNodes(client: ApiClient): Promise<string> {
  const view = z.object({ status: z.object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })) }) });
  const nodes = itemsOf(await client.request({ path: '/api/v1/nodes' })).map((node) => view.parse(node).status.addresses);
  const node = nodes.flat().find(({ type }) => type === 'InternalIP');
  if (node === undefined) throw new Error('no node has an address; --own-address says where nodes reach this process');
  // Connecting by UDP sends nothing; it only chooses the way.
  const socket = createSocket(node.address.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.connect(KUBELET_PORT, node.address);
    await once(socket, 'connect');
    return socket.address().address;
  } finally {
    socket.close();
  }
}

class ClusterSite implements Site, ClusterAccess {
  readonly #client: ApiClient;
  readonly #ownAddress: string;
  readonly #namespaces: string[] = [];
  readonly #onNamespace: (name: string) => void;

  constructor({ client, ownAddress }: ClusterOptions, onNamespace: (name: string) => void) {
    this.#onNamespace = onNamespace;
    this.#client = client;
    this.#ownAddress = ownAddress;
  }

  async addNamespace(name: string): Promise<void> {
    this.#namespaces.push(name);
    this.#onNamespace(name);
    await this.apply(objectOf('v1', 'Namespace', name, {}, { labels: { [LABEL]: 'ingress' } }));
  }

  async apply(...objects: readonly ManifestObject[]): Promise<void> {
    for (const object of objects) {
      const { apiVersion, kind, metadata } = object;
      const path = pathOf({ apiVersion, kind, namespace: metadata.namespace ?? '', name: metadata.name });
      const query = { fieldManager: FIELD_MANAGER, force: 'true' };
      await this.#client.request({ method: 'PATCH', path, query, body: object, contentType: 'application/apply-patch+yaml' });
    }
  }

  async remove(name: ObjectName): Promise<void> {
    await ifFound(this.#client.request({ method: 'DELETE', path: pathOf(name) }));
  }

  async deploy(deployment: Deployment): Promise<void> {
    const { namespace, name, replicas, ready = true } = deployment;
    await this.apply(echoDeployment(deployment));
    await patiently(async () => {
      const found = await this.read({ apiVersion: 'apps/v1', kind: 'Deployment', namespace, name });
      const { metadata, status } = deploymentView.parse(found);
      const isSeen = status.observedGeneration >= metadata.generation;
      const isDone = status.replicas === replicas && status.updatedReplicas === replicas && status.readyReplicas === (ready ? replicas : 0);
      if (!isSeen || !isDone) throw new Error(`Deployment ${name} is not as it should be: ${JSON.stringify(status)}`);
    }, PODS_WITHIN_MS);
  }

  async untilServed(name: ObjectName): Promise<Target> {
    return await patiently(async () => {
      const [address] = addressesOf(await this.read(name));
      if (address === undefined) throw new Error(`Ingress ${name.name} has no address`);
      const target = { address, httpPort: 80, httpsPort: 443 };
      // Nothing promises that the way to a load balancer is there as soon as its address, by every node at once, or that an address stays.
      // What answers must be right, though.
      for (let connected = 0; connected < CONNECTED_IN_A_ROW; connected++) await connects(target);
      return target;
    }, SERVED_WITHIN_MS);
  }

  async ownAddress(): Promise<string> {
    return this.#ownAddress;
  }

  cluster(): ClusterAccess {
    return this;
  }

  async read(name: ObjectName): Promise<unknown> {
    return await ifFound(this.#client.request({ path: pathOf(name) }));
  }

  async list(apiVersion: string, kind: string, namespace: string): Promise<readonly unknown[]> {
    return itemsOf(await this.#client.request({ path: collectionOf({ apiVersion, kind, namespace }) }));
  }

  async merge(name: ObjectName, fields: object, subresource?: 'status'): Promise<void> {
    const path = subresource ? `${pathOf(name)}/${subresource}` : pathOf(name);
    await this.#client.request({ method: 'PATCH', path, body: fields, contentType: 'application/merge-patch+json' });
  }

  async endNamespace(name: string): Promise<void> {
    await this.remove({ apiVersion: 'v1', kind: 'Namespace', namespace: '', name });
  }

  /** Begins to end what there was; {@link ClusterPlatform.close} waits for it. */
  async close(): Promise<void> {
    await Promise.all(this.#namespaces.map(async (name) => await this.endNamespace(name)));
  }
}

const deploymentView = z.object({
  metadata: z.object({ generation: z.int() }),
  status: z.object({
    observedGeneration: z.int().default(0),
    replicas: z.int().default(0),
    updatedReplicas: z.int().default(0),
    readyReplicas: z.int().default(0),
  }),
});

function itemsOf(list: unknown): readonly unknown[] {
  return z.object({ items: z.array(z.unknown()).nullable() }).parse(list).items ?? [];
}

function pathOf(name: ObjectName): string {
  return `${collectionOf(name)}/${encodeURIComponent(name.name)}`;
}

function collectionOf({ apiVersion, kind, namespace }: Omit<ObjectName, 'name'>): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${group}${scope}/${PLURALS[kind] ?? `${kind.toLowerCase()}s`}`;
}

/** As many connections are made before an address counts as reachable, so that each way to it was most likely taken. */
const CONNECTED_IN_A_ROW = 12;

/** @throws where nothing listens */
async function connects({ address, httpPort }: Target): Promise<void> {
  const socket = connect({ host: address, port: httpPort, timeout: 2_000 });
  socket.on('timeout', () => socket.destroy(new Error(`no connection to ${address} in 2 s`)));
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
