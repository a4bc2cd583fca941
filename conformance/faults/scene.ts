import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest, type ManifestObject, serviceManifest } from '../../testkit/manifest-objects.ts';
import type { RunningLab } from '../lab/index.ts';
import { type LabWithSluiceOptions, startLabWithSluice } from '../lab/sluice.ts';
import { Client, type ClientTarget } from './client.ts';

const NAMESPACE = 'sluice-system';
const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const BACKEND_PROGRAM = fileURLToPath(new URL('backend-program.ts', import.meta.url));
const BACKEND_PORT = 3000;
const SERVED_WITHIN = { withinMs: 60_000 };
/** Of connections: so many that each node was most likely asked. */
const ANSWERED_IN_A_ROW = 12;

const podsView = z.object({
  items: z.array(z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ nodeName: z.string().optional() }) })),
});
const ingressView = z.object({
  status: z.object({ loadBalancer: z.object({ ingress: z.array(z.object({ ip: z.string() })).default([]) }) }),
});
const sliceView = z.object({ ports: z.array(z.object({ port: z.int() })) });

/** One of Sluice's pods. */
export interface SluicePod {
  readonly name: string;
  readonly node: string;
}

/** A lab of two nodes with Sluice as it is installed, a backend on each node, and the Ingress `web` of both, for faults to happen to. */
export class FaultScene implements AsyncDisposable {
  readonly lab: RunningLab;
  /** Names of backends, which are behind the Service `web`. */
  readonly backends: readonly string[];

  private constructor(lab: RunningLab) {
    this.lab = lab;
    this.backends = lab.nodes.map(({ name }) => `web-on-${name}`);
  }

  static async start(options: LabWithSluiceOptions = {}): Promise<FaultScene> {
    const scene = new FaultScene(await startLabWithSluice({ nodes: 2, ...options }));
    try {
      const { nodes } = scene.lab;
      await scene.lab.apply(nodes.map(({ name }, index) => backendPod(scene.backends[index] ?? '', 'web', name)));
      await scene.lab.apply([serviceOf('web')]);
      await scene.addIngress('web', 'web', scene.backends);
      return scene;
    } catch (error) {
      await scene.lab.down();
      throw error;
    }
  }

  /** Adds a backend, a Service and an Ingress of one name, and resolves with its address once it is served. */
  async addAll(name: string): Promise<string> {
    await this.lab.apply([backendPod(name, name, 'node-1'), serviceOf(name)]);
    return await this.addIngress(name, name, [name]);
  }

  /** Adds a dedicated Ingress for `NAME.test`, and resolves with its address once it is served. */
  async addIngress(name: string, service: string, backends: readonly string[]): Promise<string> {
    await this.applyIngress(name, service);
    return await this.untilServed(name, backends);
  }

  /** Adds a dedicated Ingress for `NAME.test` or changes it. */
  async applyIngress(name: string, service: string): Promise<void> {
    await this.lab.apply([ingressManifest(name, { rules: { [`${name}.test`]: service } })]);
  }

  /** Makes an Ingress that is there one of another Service, as quickly as can be. */
  async moveIngress(name: string, service: string): Promise<void> {
    const body = { spec: { rules: [{ host: `${name}.test`, http: { paths: [pathTo(service)] } }] } };
    const path = `/apis/networking.k8s.io/v1/namespaces/default/ingresses/${name}`;
    const answer = await this.lab.request(path, { method: 'PATCH', body, contentType: 'application/merge-patch+json' });
    assert.equal(answer.status, 200, answer.body);
  }

  /** Resolves with the address of an Ingress once all of the backends answer there, and nobody else does. */
  async untilServed(name: string, backends: readonly string[]): Promise<string> {
    return await eventually(async () => {
      const address = await this.addressOf(name);
      const answered = new Set<string>();
      for (let count = 0; count < ANSWERED_IN_A_ROW; count += 1) answered.add(await this.#ask(address, `${name}.test`));
      assert.deepEqual([...answered].sort(), [...backends].sort());
      return address;
    }, SERVED_WITHIN);
  }

  /** The address that an Ingress tells; waits until there is one. */
  async addressOf(ingress: string): Promise<string> {
    return await eventually(async () => {
      const { status } = ingressView.parse(await this.#read(`/apis/networking.k8s.io/v1/namespaces/default/ingresses/${ingress}`));
      const [first] = status.loadBalancer.ingress;
      assert.ok(first, `Ingress ${ingress} has no address`);
      return first.ip;
    }, SERVED_WITHIN);
  }

  /** The port of nodes that a dedicated Ingress has. */
  async portOf(ingress: string): Promise<number> {
    const path = `/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/cilium-ingress-${ingress}`;
    const [first] = sliceView.parse(await this.#read(path)).ports;
    assert.ok(first, `the EndpointSlice of Ingress ${ingress} has no port`);
    return first.port;
  }

  /** Begins to ask for the Ingress `web`. */
  async startClient(options: Pick<ClientTarget, 'setsUndeliveredApart'> = {}): Promise<Client> {
    return await Client.start(this.lab, { address: await this.addressOf('web'), host: 'web.test', backends: this.backends, ...options });
  }

  /** The pods of a part of Sluice, in the order of their nodes. */
  async pods(component: 'controller' | 'agent' | 'envoy'): Promise<readonly SluicePod[]> {
    const selector = encodeURIComponent(`app.kubernetes.io/component=${component}`);
    const { items } = podsView.parse(await this.#read(`/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${selector}`));
    const pods = items.map(({ metadata, spec }) => ({ name: metadata.name, node: spec.nodeName ?? '' }));
    return pods.sort((a, b) => a.node.localeCompare(b.node) || a.name.localeCompare(b.name));
  }

  /** The pod of a part of Sluice on a node. */
  async podOn(node: string, component: 'agent' | 'envoy'): Promise<string> {
    return await eventually(async () => {
      const pod = (await this.pods(component)).find((candidate) => candidate.node === node);
      assert.ok(pod, `no ${component} is on ${node}`);
      return pod.name;
    });
  }

  /** The first process of a pod's container, in the lab's process namespace; waits until there is one. */
  async firstProcess(pod: string, container: string): Promise<number> {
    return await eventually(async () => {
      const [first] = await this.lab.containerProcesses(NAMESPACE, pod, container);
      assert.ok(first, `${container} of ${pod} does not run`);
      return first.pid;
    }, SERVED_WITHIN);
  }

  /** The process of a node's Envoy, not that of its supervisor. */
  async envoyProcess(pod: string): Promise<number> {
    return await eventually(async () => {
      const processes = await this.lab.containerProcesses(NAMESPACE, pod, 'envoy');
      const envoy = processes.find(({ args }) => args[0]?.endsWith('/envoy'));
      assert.ok(envoy, `no Envoy runs in ${pod}`);
      return envoy.pid;
    }, SERVED_WITHIN);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab.down();
  }

  /** As a client by a new connection; gives who answered. */
  async #ask(address: string, host: string): Promise<string> {
    const command = ['curl', '-sS', '-m', '2', '-o', '/dev/null', '-w', '%header{x-backend}', '-H', `host: ${host}`, `http://${address}/`];
    const { code, stdout, stderr } = await this.lab.run(command);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  async #read(path: string): Promise<unknown> {
    const { status, body } = await this.lab.request(path);
    assert.equal(status, 200, body);
    return JSON.parse(body);
  }
}

function pathTo(service: string): object {
  return { path: '/', pathType: 'Prefix', backend: { service: { name: service, port: { number: 80 } } } };
}

function serviceOf(name: string): ManifestObject {
  return serviceManifest(name, [{ port: 80, targetPort: BACKEND_PORT }], { selector: { app: name } });
}

/** Runs the program of this checkout, which is at the same place in the pod. */
function backendPod(name: string, app: string, nodeName: string): object {
  const container = {
    name: 'main',
    image: 'lab/host:1',
    command: [process.execPath, BACKEND_PROGRAM],
    env: [
      { name: 'POD_NAME', value: name },
      { name: 'PORT', value: String(BACKEND_PORT) },
    ],
    readinessProbe: { httpGet: { path: '/', port: BACKEND_PORT }, periodSeconds: 1 },
    volumeMounts: [{ name: 'checkout', mountPath: CHECKOUT, readOnly: true }],
  };
  const volumes = [{ name: 'checkout', hostPath: { path: CHECKOUT, type: 'Directory' } }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app } },
    spec: { nodeName, terminationGracePeriodSeconds: 0, containers: [container], volumes },
  };
}
