import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../testkit/eventually.ts';
import { type NodeAddresses, nodeAddresses } from './addresses.ts';
import { type ApiAnswer, type ApiRequest, requestApi } from './api-request.ts';
import { type CommandResult, runToEnd } from './command.ts';
import { type ContainerProcess, Control, type ProcessState } from './control.ts';
import type { Credentials } from './credentials.ts';
import { APPLY, manifestText, runKubectl } from './kubectl.ts';
import { LabError } from './lab-error.ts';
import { DNS_ENDPOINTS, DNS_SERVICE, nodeObject } from './objects.ts';
import { commandInside, type Where } from './places.ts';
import { makeServiceAccountToken, type TokenOptions } from './service-account-token.ts';
import { isAlive, type LabRecord } from './state.ts';

const ENDS_WITHIN_MS = 20_000;
const STARTS_WITHIN_MS = 60_000;
/** Of each log, where a lab does not start. */
const SHOWN_LINES = 4;
const SHOWN_CHARACTERS = 300;

export interface RunningLabParts {
  readonly record: LabRecord;
  readonly folder: string;
  readonly binary: string;
  readonly credentials: Credentials;
}

/** A lab that runs, whoever started it. */
export class RunningLab implements AsyncDisposable {
  readonly name: string;
  readonly nodes: readonly NodeAddresses[];
  /** Of the API server, from this machine: `https://127.0.0.1:PORT` */
  readonly url: string;
  /** Of a member of `system:masters`. */
  readonly credentials: Credentials;
  /** The path of a kubeconfig for this machine. */
  readonly kubeconfig: string;
  /** The path of a kubeconfig for programs in a place of the lab. */
  readonly clientKubeconfig: string;
  /** The state folder, with `log/PROCESS.log`. */
  readonly folder: string;
  /** Who did what at the API server, as JSON lines of `audit.k8s.io/v1` Events without bodies. */
  readonly auditLog: string;
  readonly control: Control;
  readonly #record: LabRecord;
  readonly #binary: string;

  constructor({ record, folder, binary, credentials }: RunningLabParts) {
    this.#record = record;
    this.#binary = binary;
    this.name = record.name;
    this.nodes = Array.from({ length: record.nodes }, (_, index) => nodeAddresses(index + 1));
    this.url = `https://127.0.0.1:${record.port}`;
    this.credentials = credentials;
    this.kubeconfig = join(folder, 'admin.conf');
    this.clientKubeconfig = join(folder, 'etc', 'admin.conf');
    this.folder = folder;
    this.auditLog = join(folder, 'audit.log');
    this.control = new Control(join(folder, 'control.sock'));
  }

  /** A request as administrator. @param path with its query */
  async request(path: string, request: ApiRequest = {}): Promise<ApiAnswer> {
    return await requestApi(`${this.url}${path}`, this.credentials, request);
  }

  /** Runs kubectl as administrator and gives its standard output. @throws LabError `command-failed` */
  async kubectl(...args: readonly string[]): Promise<string> {
    return await runKubectl(this.#binary, args, this);
  }

  /** The command that is kubectl, for which `KUBECONFIG` is to be {@link kubeconfig}. */
  kubectlCommand(...args: readonly string[]): readonly [string, ...string[]] {
    return [this.#binary, 'kubectl', ...args];
  }

  /** Applies manifests: YAML, or objects. */
  async apply(manifests: string | readonly object[]): Promise<void> {
    await runKubectl(this.#binary, APPLY, { kubeconfig: this.kubeconfig, input: manifestText(manifests) });
  }

  /** A token of a service account, which is created if it does not exist. */
  async serviceAccountToken(namespace: string, name: string, options: TokenOptions = {}): Promise<string> {
    return await makeServiceAccountToken((path, request) => this.request(path, request), namespace, name, options);
  }

  /**
   * Starts a program of this machine in the network of a place of the lab: `client`, a machine outside of the cluster that reaches nodes
   * and load balancers, or a node by its name. It is this process's child like any other.
   */
  spawn(command: readonly string[], { where = 'client', mounts = false, ...options }: Where & SpawnOptions = {}): ChildProcess {
    const [program, ...args] = this.command(command, { where, mounts });
    return spawn(program, args, options);
  }

  /** Runs a program to its end as {@link spawn} does. A status other than 0 is no error. */
  async run(
    command: readonly string[],
    { where = 'client', mounts = false, ...options }: Where & SpawnOptions = {},
  ): Promise<CommandResult> {
    return await runToEnd(this.command(command, { where, mounts }), options);
  }

  /** The command that runs a command in a place of the lab. */
  command(command: readonly string[], where: Where = {}): readonly [string, ...string[]] {
    return commandInside(this.folder, command, where);
  }

  async processes(): Promise<readonly ProcessState[]> {
    return await this.control.processes();
  }

  /** Ends `etcd`, `kube-apiserver`, `kubelet-node-1`, … and waits until it is gone; it stays away until it is started. */
  async kill(process: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.control.end(process, signal);
  }

  /** Starts processes, and does not wait until they are ready. */
  async start(...processes: readonly string[]): Promise<void> {
    await Promise.all(processes.map((process) => this.control.start(process)));
  }

  /** What a process has written. */
  log(process: string): string {
    const file = join(this.folder, 'log', `${process}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** The processes of a pod's container, its first one first. Empty where it does not run. */
  async containerProcesses(namespace: string, pod: string, container: string): Promise<readonly ContainerProcess[]> {
    const { status, body } = await this.request(`/api/v1/namespaces/${namespace}/pods/${pod}`);
    if (status !== 200) throw new LabError('not-found', body);
    const { status: { containerStatuses = [], initContainerStatuses = [] } = {} }: PodAnswer = JSON.parse(body);
    const found = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
    const id = found?.containerID?.split('://')[1];
    return id === undefined ? [] : await this.control.containerProcesses(id);
  }

  /** Sends a signal to a process that {@link containerProcesses} or {@link processes} names. */
  async signal(pid: number, signal: NodeJS.Signals): Promise<void> {
    await this.control.signal(pid, signal);
  }

  /** Waits until the API server says that it is ready. */
  async untilReady(): Promise<void> {
    await eventually(
      async () => {
        const { status, body } = await this.request('/readyz');
        if (status !== 200) throw new LabError('not-ready', body);
      },
      { withinMs: STARTS_WITHIN_MS },
    );
  }

  async untilNodesReady(withinMs = STARTS_WITHIN_MS): Promise<void> {
    await eventually(
      async () => {
        const { body } = await this.request('/api/v1/nodes');
        const { items }: NodesAnswer = JSON.parse(body);
        const ready = items.filter(({ status }) => status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'));
        if (ready.length < this.nodes.length) throw new LabError('not-ready', `${ready.length} of ${this.nodes.length} nodes are ready`);
      },
      { withinMs },
    );
  }

  /** What a new cluster starts with. */
  async createInitialObjects(nodes: readonly NodeAddresses[]): Promise<void> {
    const create = async (path: string, body: object) => {
      const answer = await this.request(path, { method: 'POST', body });
      if (answer.status !== 201) throw new LabError('refused', answer.body);
    };
    await Promise.all([
      ...nodes.map((node) => create('/api/v1/nodes', nodeObject(node))),
      create('/api/v1/namespaces/kube-system/services', DNS_SERVICE),
      create('/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices', DNS_ENDPOINTS),
    ]);
  }

  /** The ends of all logs that have something to say. */
  describeFailure(): string {
    const files = existsSync(this.folder) ? globSync('log/*.log', { cwd: this.folder }) : [];
    const endOf = (file: string) => readFileSync(join(this.folder, file), 'utf8').trimEnd().split('\n').slice(-SHOWN_LINES);
    const ends = files.map((file) => [`--- ${file}`, ...endOf(file).map((line) => line.slice(0, SHOWN_CHARACTERS))].join('\n'));
    return `lab ${this.name} is not ready:\n${ends.join('\n')}`;
  }

  /** Ends the lab and waits until nothing is left of it. */
  async down(): Promise<void> {
    const { keeper } = this.#record;
    if (isAlive(keeper)) process.kill(keeper.pid, 'SIGTERM');
    await eventually(
      () => {
        if (isAlive(keeper) || existsSync(this.folder)) throw new LabError('not-ready', `lab ${this.name} does not end`);
      },
      { withinMs: ENDS_WITHIN_MS },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

interface PodAnswer {
  readonly status?: {
    readonly containerStatuses?: readonly ContainerAnswer[];
    readonly initContainerStatuses?: readonly ContainerAnswer[];
  };
}

interface ContainerAnswer {
  readonly name: string;
  readonly containerID?: string;
}

interface NodesAnswer {
  readonly items: readonly { readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] } }[];
}
