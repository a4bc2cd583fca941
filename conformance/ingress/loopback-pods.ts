import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { Backend } from '../../testkit/backend.ts';
import { type ManifestObject, sliceManifest } from '../../testkit/manifest-objects.ts';
import { type Deployment, POD_PORT } from './platform.ts';

const serviceView = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({
    type: z.string().optional(),
    selector: z.object({ app: z.string() }).optional(),
    ports: z
      .array(z.object({ name: z.string().optional(), port: z.int(), targetPort: z.union([z.int(), z.string()]).optional() }))
      .optional(),
  }),
});

type ServiceView = z.output<typeof serviceView>;

interface Pod {
  readonly server: Backend;
  readonly app: string;
  readonly isReady: boolean;
}

/**
 * Without a cluster: echo servers of this process, each with an address of its own on loopback as pods have, and the EndpointSlices
 * that Kubernetes would make of them.
 */
export class LoopbackPods implements AsyncDisposable {
  readonly #pods = new Map<string, readonly Pod[]>();
  readonly #services = new Map<string, ServiceView>();
  readonly #write: (object: ManifestObject) => void;

  /** @param write is given each EndpointSlice that changes */
  constructor(write: (object: ManifestObject) => void) {
    this.#write = write;
  }

  /** Takes note of a Service. */
  follow(object: ManifestObject): void {
    const service = serviceView.parse(object);
    if (service.spec.selector === undefined) return;
    this.#services.set(`${service.metadata.namespace}/${service.metadata.name}`, service);
    this.#writeSlice(service);
  }

  forget(namespace: string, name: string): void {
    this.#services.delete(`${namespace}/${name}`);
  }

  async scale({ namespace, name, app = name, replicas, ready = true }: Deployment): Promise<void> {
    const key = `${namespace}/${name}`;
    const before = this.#pods.get(key) ?? [];
    const kept = before.slice(0, replicas).map((pod) => ({ ...pod, isReady: ready }));
    const added = Array.from({ length: replicas - kept.length }, async (_, index) => {
      const server = await startPod(`${namespace}/${app}/${name}-${kept.length + index}`);
      return { server, app, isReady: ready };
    });
    this.#pods.set(key, [...kept, ...(await Promise.all(added))]);
    const service = this.#services.get(`${namespace}/${app}`);
    if (service) this.#writeSlice(service);
    await Promise.all(before.slice(replicas).map(async ({ server }) => await server[Symbol.asyncDispose]()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#pods.values()].flat();
    this.#pods.clear();
    await Promise.all(all.map(async ({ server }) => await server[Symbol.asyncDispose]()));
  }

  #writeSlice({ metadata, spec }: ServiceView): void {
    const inNamespace = [...this.#pods].filter(([key]) => key.startsWith(`${metadata.namespace}/`));
    const pods = inNamespace.flatMap(([, found]) => found).filter(({ app }) => app === spec.selector?.app);
    const ports = (spec.ports ?? []).map(({ name = '', port, targetPort = port }) => ({
      name,
      port: typeof targetPort === 'number' ? targetPort : POD_PORT.port,
    }));
    const endpoints = pods.map(({ server, isReady }) => ({
      addresses: [server.address],
      conditions: { ready: isReady, serving: isReady },
    }));
    const slice = sliceManifest(metadata.name, ports, { endpoints });
    this.#write({ ...slice, metadata: { ...slice.metadata, namespace: metadata.namespace } });
  }
}

/** Every address of 127.0.0.0/8 is this machine's. */
async function startPod(name: string): Promise<Backend> {
  const address = ['127', randomInt(1, 255), randomInt(0, 255), randomInt(1, 255)].join('.');
  return await Backend.start({ name, address, port: POD_PORT.port });
}
