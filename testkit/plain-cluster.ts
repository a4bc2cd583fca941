import { mkdirSync, writeFileSync } from 'node:fs';
import { ControlPlane, type ControlPlaneOptions } from '../conformance/lab/control-plane.ts';
import { type Status, statusSchema } from '../controller/admin/status.ts';
import { eventually } from './eventually.ts';
import { freePorts } from './ports.ts';
import { type CommandOptions, SluiceCommand } from './sluice-command.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const NAMESPACE = 'sluice-system';
const LOOPBACK = '127.0.0.1';

interface ProcessOptions extends CommandOptions {
  /** In place of the cluster's. */
  readonly settings?: object;
}

interface AgentOptions extends CommandOptions {
  /** The node that it claims to be; default: the one that it is on. */
  readonly callsItself?: string;
}

/** A process of Sluice and where it tells of itself. */
export class ClusterProcess implements AsyncDisposable {
  /** The one that runs now, or ran last. */
  command: SluiceCommand;
  readonly adminPort: number;
  readonly #args: readonly string[];
  readonly #options: CommandOptions;

  constructor(args: readonly string[], adminPort: number, options: CommandOptions = {}) {
    this.#args = [...args, '--admin-port', String(adminPort)];
    this.#options = options;
    this.command = new SluiceCommand(this.#args, options);
    this.adminPort = adminPort;
  }

  /** Ends it and waits until it has ended. An Envoy of it goes on. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.command.signal(signal);
    await this.command.exited;
  }

  /** Starts it again, as it was started, once it has ended. */
  startAgain(): void {
    this.command = new SluiceCommand(this.#args, this.#options);
  }

  /** What is published, or on a node what its Envoy is served, as JSON. */
  async snapshot(): Promise<string> {
    return await (await this.#ask('/snapshot')).text();
  }

  async status(): Promise<Status> {
    return statusSchema.parse(await (await this.#ask('/status')).json());
  }

  async untilReady(): Promise<void> {
    await eventually(
      async () => {
        const { ready, notReady } = await this.status();
        if (!ready) throw new Error(`not ready: ${notReady}\n${this.command.stderr.slice(-4_000)}`);
      },
      { withinMs: 90_000 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.command[Symbol.asyncDispose]();
  }

  async #ask(path: string): Promise<Response> {
    try {
      return await fetch(`http://${LOOPBACK}:${this.adminPort}${path}`);
    } catch (cause) {
      throw new Error(`does not answer; it said:\n${this.command.stderr.slice(-4_000)}`, { cause });
    }
  }
}

/**
 * A real API server with controllers and agents of Sluice as processes on loopback, and no kubelet: Nodes, Pods and what a kubelet
 * or an endpoints controller would write of them are written by hand.
 *
 *     await using cluster = await PlainCluster.start();
 *     const controller = await cluster.startController('a');
 *     const agent = await cluster.startAgent('node-1', controller);
 */
export class PlainCluster implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly #folder = new TemporaryFolder();
  readonly #processes: AsyncDisposable[] = [];
  readonly #xdsPorts = new Map<ClusterProcess, number>();
  readonly #config: string;

  private constructor(plane: ControlPlane, settings: object) {
    this.plane = plane;
    this.#config = this.#writeSettings('sluice.yaml', settings);
  }

  static async start(options: ControlPlaneOptions & { readonly settings?: object } = {}): Promise<PlainCluster> {
    const plane = await ControlPlane.start(options);
    const cluster = new PlainCluster(plane, options.settings ?? {});
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sluice-agent', namespace: NAMESPACE } };
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'sluice-agent' },
      rules: [{ apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests'], verbs: ['create', 'get'] }],
    };
    const binding = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'sluice-agent' },
      subjects: [{ kind: 'ServiceAccount', name: 'sluice-agent', namespace: NAMESPACE }],
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'sluice-agent' },
    };
    await plane.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }, account, role, binding]);
    return cluster;
  }

  /** Starts a replica of the controller, as administrator of the cluster. Does not wait until it is ready. */
  async startController(podName: string, { settings, ...options }: ProcessOptions = {}): Promise<ClusterProcess> {
    const [xdsPort = 0, adminPort = 0] = await freePorts(2);
    const where = ['--xds-address', LOOPBACK, '--xds-port', String(xdsPort)];
    const config = settings ? this.#writeSettings(`sluice-${podName}.yaml`, settings) : this.#config;
    const args = ['controller', '--kubeconfig', this.plane.kubeconfig, '--pod-name', podName, '--config', config, ...where];
    const controller = new ClusterProcess(args, adminPort, options);
    this.#processes.push(controller);
    this.#xdsPorts.set(controller, xdsPort);
    return controller;
  }

  /** The port on which a controller serves nodes. */
  xdsPort(controller: ClusterProcess): number {
    const port = this.#xdsPorts.get(controller);
    if (port === undefined) throw new Error('not a controller of this cluster');
    return port;
  }

  /** What the agent of a node keeps. */
  stateFolder(nodeName: string): string {
    return this.#folder.join(nodeName, 'state');
  }

  /**
   * Starts the agent of a node, which is made, with an Envoy of its own. Does not wait until it is ready.
   * @param controller or the port of one
   */
  async startAgent(nodeName: string, controller: ClusterProcess | number, options: AgentOptions = {}): Promise<ClusterProcess> {
    const folder = this.#folder.join(nodeName);
    mkdirSync(folder, { recursive: true });
    const port = typeof controller === 'number' ? controller : this.xdsPort(controller);
    const { callsItself = nodeName, ...commandOptions } = options;
    writeFileSync(`${folder}/agent.conf`, await this.#agentKubeconfig(nodeName), { mode: 0o600 });
    await eventually(async () => writeFileSync(`${folder}/ca.crt`, await this.#authorities()), { withinMs: 20_000 });
    const [adminPort = 0] = await freePorts(1);
    const own = ['--kubeconfig', `${folder}/agent.conf`, '--ca', `${folder}/ca.crt`, '--state-dir', `${folder}/state`];
    const where = ['--controller', `localhost:${port}`, '--node-name', callsItself, '--config', this.#config];
    const agent = new ClusterProcess(['agent', ...where, ...own], adminPort, commandOptions);
    this.#processes.push(agent);
    return agent;
  }

  /** Says which nodes are ready to serve, by name and address, as the endpoints controller would. */
  async setNodes(addresses: Readonly<Record<string, string>>): Promise<void> {
    const endpoints = Object.entries(addresses).map(([nodeName, address]) => ({
      addresses: [address],
      nodeName,
      conditions: { ready: true },
    }));
    const labels = { 'kubernetes.io/service-name': 'sluice-nodes' };
    const metadata = { name: 'sluice-nodes-1', namespace: NAMESPACE, labels };
    await this.plane.apply([
      { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints, ports: [{ port: 20_000 }] },
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes.toReversed()) await process[Symbol.asyncDispose]();
    await this.plane[Symbol.asyncDispose]();
    this.#folder.dispose();
  }

  #writeSettings(file: string, settings: object): string {
    const path = this.#folder.join(file);
    writeFileSync(path, JSON.stringify({ envoy: { concurrency: 1, drainTime: '1s' }, ...settings }));
    return path;
  }

  async #authorities(): Promise<string> {
    const { status, body } = await this.plane.request(`/api/v1/namespaces/${NAMESPACE}/configmaps/sluice-ca`);
    if (status !== 200) throw new Error(`no authority yet: ${body}`);
    const { data }: { readonly data: Readonly<Record<string, string>> } = JSON.parse(body);
    return data['ca.crt'] ?? '';
  }

  /** With a token that says which node its pod runs on, as the kubelet mounts it. */
  async #agentKubeconfig(nodeName: string): Promise<string> {
    const podName = `sluice-agent-${nodeName}`;
    const spec = { nodeName, serviceAccountName: 'sluice-agent', containers: [{ name: 'agent', image: 'none' }] };
    await this.plane.apply([
      { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } },
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: podName, namespace: NAMESPACE }, spec },
    ]);
    const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/sluice-agent/token`;
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: podName };
    const answer = await this.plane.request(path, { method: 'POST', body: { spec: { boundObjectRef } } });
    if (answer.status !== 201) throw new Error(answer.body);
    const { status }: { readonly status: { readonly token: string } } = JSON.parse(answer.body);
    const authority = Buffer.from(this.plane.credentials.authority).toString('base64');
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: this.plane.url, 'certificate-authority-data': authority } }],
      users: [{ name: 'u', user: { token: status.token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    });
  }
}
