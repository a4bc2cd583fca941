import assert from 'node:assert/strict';
import type { ControlPlaneOptions } from '../conformance/lab/control-plane.ts';
import { Backend } from './backend.ts';
import { eventually } from './eventually.ts';
import { type Answer, requestHttp1 } from './http-request.ts';
import { ChangeLog } from './load/change-log.ts';
import { http1Client, http2Client } from './load/clients.ts';
import { Load } from './load/load.ts';
import { Target } from './load/target.ts';
import { ingressManifest, type ManifestObject, serviceManifest, sliceManifest } from './manifest-objects.ts';
import { OWN_ADDRESS } from './own-network.ts';
import { type ClusterProcess, PlainCluster } from './plain-cluster.ts';
import { TcpForwarder } from './tcp-forwarder.ts';

const DEFAULT_NAMESPACE = '/namespaces/default';
const REQUESTS_PER_SECOND = 100;

export interface ClusterWorldOptions extends ControlPlaneOptions {
  /** Replicas; default 2. */
  readonly controllers?: number;
  /** By replica; default: what {@link PlainCluster} has. */
  readonly settings?: readonly object[];
}

/**
 * An API server, replicas of the controller `a`, `b`, … behind one port, and node `node-1` with its agent and Envoy, for faults to happen
 * to. Of use only after {@link enterOwnNetwork}.
 */
export class ClusterWorld implements AsyncDisposable {
  readonly cluster: PlainCluster;
  readonly controllers: ClusterProcess[] = [];
  readonly forwarder: TcpForwarder;
  readonly #cleanUp: AsyncDisposableStack;
  #agent: ClusterProcess | undefined;

  private constructor(cluster: PlainCluster, forwarder: TcpForwarder, cleanUp: AsyncDisposableStack) {
    this.cluster = cluster;
    this.forwarder = forwarder;
    this.#cleanUp = cleanUp;
  }

  /** Resolves when the node has its configuration from a controller. */
  static async start({ controllers = 2, settings = [], ...options }: ClusterWorldOptions = {}): Promise<ClusterWorld> {
    const cleanUp = new AsyncDisposableStack();
    const cluster = cleanUp.use(await PlainCluster.start({ apiServerFlags: [`--advertise-address=${OWN_ADDRESS}`], ...options }));
    const world = new ClusterWorld(cluster, cleanUp.use(await TcpForwarder.start()), cleanUp);
    try {
      await world.#begin(controllers, settings);
      return world;
    } catch (error) {
      await cleanUp.disposeAsync();
      throw error;
    }
  }

  get agent(): ClusterProcess {
    if (this.#agent === undefined) throw new Error('there is no agent yet');
    return this.#agent;
  }

  /** Adds objects or changes them, in namespace `default` unless they say otherwise. */
  async apply(...objects: readonly ManifestObject[]): Promise<void> {
    await this.cluster.plane.apply(objects);
  }

  /** An object, or undefined where there is none. @param path below `/api…/VERSION` and the default namespace */
  async get(api: string, path: string): Promise<Record<string, unknown> | undefined> {
    const { status, body } = await this.cluster.plane.request(`${api}${DEFAULT_NAMESPACE}/${path}`);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(body);
    return JSON.parse(body);
  }

  /** Starts a backend that answers with its name, and a Service of that name in front of it. */
  async addBackend(name: string): Promise<Backend> {
    const backend = this.#cleanUp.use(await Backend.start({ name, address: OWN_ADDRESS }));
    const endpoints = [{ addresses: [OWN_ADDRESS], conditions: { ready: true } }];
    await this.apply(serviceManifest(name), sliceManifest(name, backend.port, { endpoints }));
    return backend;
  }

  /** Adds a dedicated Ingress for `NAME.test`, and resolves with its port once Envoy answers there. */
  async addIngress(name: string, service: string): Promise<number> {
    await this.apply(ingressManifest(name, { rules: { [`${name}.test`]: service } }));
    const port = await this.portOf(name);
    await this.untilAnsweredBy(name, service, port);
    return port;
  }

  /** The port of nodes that a dedicated Ingress has; waits until there is one. */
  async portOf(name: string): Promise<number> {
    return await eventually(async () => {
      const slice = await this.get('/apis/discovery.k8s.io/v1', `endpointslices/cilium-ingress-${name}`);
      const [first] = (slice?.['ports'] ?? []) as readonly { readonly port: number }[];
      assert.ok(first, 'there is no EndpointSlice of the Ingress yet');
      return first.port;
    });
  }

  async ask(name: string, port: number): Promise<Answer> {
    return await requestHttp1({ port, host: `${name}.test` });
  }

  async untilAnsweredBy(name: string, backend: string, port: number, withinMs = 20_000): Promise<void> {
    await eventually(async () => assert.equal((await this.ask(name, port)).backend, backend), { withinMs });
  }

  /** Begins to ask for `NAME.test` at all times, with clients that never try twice. */
  load(...targets: readonly Target[]): Load {
    const clients = [
      http1Client('keep-alive', [], { keepAlive: true }),
      http1Client('new connections', [], { keepAlive: false }),
      http2Client('HTTP/2', []),
      http1Client('keep-alive too', [], { keepAlive: true }),
    ];
    const load = new Load({ clients, requestsPerSecond: REQUESTS_PER_SECOND, changes: new ChangeLog() });
    load.add(...targets);
    load.start();
    return load;
  }

  target(name: string, port: number, ...backends: readonly string[]): Target {
    return new Target({ scheme: 'http', port, host: `${name}.test`, path: '/' }, ...backends);
  }

  /** The replica that says that it leads; waits until there is one. */
  async leader(withinMs = 40_000): Promise<ClusterProcess> {
    return await eventually(
      async () => {
        for (const controller of this.controllers) {
          const status = await controller.status().catch(() => undefined);
          if (status?.cluster?.isLeader) return controller;
        }
        throw new Error('no replica leads');
      },
      { withinMs },
    );
  }

  /** The process of the node's Envoy. */
  async envoyPid(): Promise<number> {
    return await eventually(async () => {
      const { envoy } = await this.agent.status();
      assert.ok(envoy?.pid, 'no Envoy runs');
      return envoy.pid;
    });
  }

  /** Kills the node's Envoy. */
  async killEnvoy(): Promise<void> {
    process.kill(await this.envoyPid(), 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanUp.disposeAsync();
  }

  async #begin(controllers: number, settings: readonly object[]): Promise<void> {
    const { cluster } = this;
    await this.apply(ingressClass());
    for (let index = 0; index < controllers; index += 1) {
      const own = settings[index];
      this.controllers.push(await cluster.startController(podName(index), own ? { settings: own } : {}));
    }
    for (const controller of this.controllers) await controller.untilReady();
    this.forwarder.setTargets(...this.controllers.map((controller) => cluster.xdsPort(controller)));
    await cluster.setNodes({ 'node-1': OWN_ADDRESS });
    this.#agent = await cluster.startAgent('node-1', this.forwarder.port);
    await this.#agent.untilReady();
  }
}

function podName(index: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + index);
}

function ingressClass(): ManifestObject {
  const metadata = { name: 'cilium' };
  return Object.assign(
    { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata },
    { spec: { controller: 'cilium.io/ingress-controller' } },
  );
}
