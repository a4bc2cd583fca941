import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { eventually } from '../../testkit/eventually.ts';
import { freePorts } from '../../testkit/ports.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { type ApiAnswer, type ApiRequest, requestApi } from './api-request.ts';
import { labBinary } from './binary.ts';
import { AUDIT_POLICY, apiServerFlags, controllerManagerFlags } from './component-flags.ts';
import { type Credentials, kubeconfig, type Trust, writeTrust } from './credentials.ts';
import { APPLY, manifestText, runKubectl } from './kubectl.ts';
import { LabError } from './lab-error.ts';
import { OwnedProcess } from './owned-process.ts';
import { makeServiceAccountToken, type TokenOptions } from './service-account-token.ts';

export interface ControlPlaneOptions {
  /** Whether controllers run too, without which nothing creates default service accounts and no namespace ever ends. Default: false. */
  readonly controllerManager?: boolean;
  /** Whether {@link ControlPlane.auditLog} is written. Default: false. */
  readonly audit?: boolean;
  /** Further flags of the API server, such as `--min-request-timeout=5`. */
  readonly apiServerFlags?: readonly string[];
}

export type ControlPlaneProcess = 'etcd' | 'kube-apiserver' | 'kube-controller-manager';

/** A moment of etcd, to go back to. */
export interface EtcdSnapshot {
  readonly folder: string;
}

const STARTS_WITHIN_MS = 60_000;

/**
 * A real API server on its own etcd, as plain processes on loopback ports, without nodes, up in a few seconds. Pods can be created
 * and never run. It goes with the process that started it, however that ends.
 *
 *     await using cluster = await ControlPlane.start();
 */
export class ControlPlane implements AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  /** Of a member of `system:masters`. */
  readonly credentials: Credentials;
  /** The path of a kubeconfig with {@link credentials}. */
  readonly kubeconfig: string;
  readonly trust: Trust;
  readonly #folder: TemporaryFolder;
  readonly #binary: string;
  readonly #processes: ReadonlyMap<ControlPlaneProcess, OwnedProcess>;
  #snapshots = 0;

  private constructor(
    folder: TemporaryFolder,
    binary: string,
    trust: Trust,
    url: string,
    credentials: Credentials,
    processes: ReadonlyMap<ControlPlaneProcess, OwnedProcess>,
  ) {
    this.#folder = folder;
    this.#binary = binary;
    this.trust = trust;
    this.url = url;
    this.credentials = credentials;
    this.kubeconfig = folder.join('admin.conf');
    this.#processes = processes;
  }

  /** Waits until the API server is ready. @throws LabError `not-ready` with the end of its log */
  static async start(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    const binary = await labBinary();
    const folder = new TemporaryFolder();
    try {
      const [port = 0, client = 0, peer = 0, manager = 0] = await freePorts(4);
      const url = `https://127.0.0.1:${port}`;
      const trust = await writeTrust(folder.join('pki'), ['127.0.0.1']);
      const credentials = await trust.issue('admin', { name: 'admin', group: 'system:masters' });
      writeFileSync(folder.join('admin.conf'), kubeconfig(url, credentials), { mode: 0o600 });
      const processes = describeProcesses(folder, binary, trust, { port, client, peer, manager }, options);
      const plane = new ControlPlane(folder, binary, trust, url, credentials, processes);
      for (const process of processes.values()) process.start();
      await plane.ready();
      return plane;
    } catch (error) {
      folder.dispose();
      throw error;
    }
  }

  /** What is written of the API server's requests, as JSON lines of `audit.k8s.io/v1` Events. */
  get auditLog(): string {
    return this.#folder.join('audit.log');
  }

  /** Waits until the API server says that it is ready. */
  async ready(): Promise<void> {
    try {
      await eventually(
        async () => {
          const { status, body } = await this.request('/readyz');
          if (status !== 200) throw new LabError('not-ready', body);
        },
        { withinMs: STARTS_WITHIN_MS },
      );
    } catch (cause) {
      throw new LabError('not-ready', `the API server is not ready:\n${this.log('kube-apiserver').slice(-4_000)}`, { cause });
    }
  }

  /** What a process has written. */
  log(name: ControlPlaneProcess): string {
    return readFileSync(this.#process(name).log, 'utf8');
  }

  /** A request as administrator. @param path with its query */
  async request(path: string, request: ApiRequest = {}): Promise<ApiAnswer> {
    return await requestApi(`${this.url}${path}`, this.credentials, request);
  }

  /** Runs kubectl as administrator and gives its standard output. @throws LabError `command-failed` */
  async kubectl(...args: readonly string[]): Promise<string> {
    return await runKubectl(this.#binary, args, this);
  }

  /** Applies manifests: YAML, or objects. */
  async apply(manifests: string | readonly object[]): Promise<void> {
    await runKubectl(this.#binary, APPLY, { kubeconfig: this.kubeconfig, input: manifestText(manifests) });
  }

  /** A token of a service account, which is created if it does not exist. */
  async serviceAccountToken(namespace: string, name: string, options: TokenOptions = {}): Promise<string> {
    return await makeServiceAccountToken((path, request) => this.request(path, request), namespace, name, options);
  }

  /** Ends a process at once, or in good order by `SIGTERM`, and waits until it is gone. */
  async kill(name: ControlPlaneProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#process(name).end(signal);
  }

  /** Starts a process that was ended. Does not wait until it is ready, see {@link ready}. */
  start(name: ControlPlaneProcess): void {
    this.#process(name).start();
  }

  /** Remembers what etcd holds. Etcd is away for a moment. */
  async snapshot(): Promise<EtcdSnapshot> {
    this.#snapshots += 1;
    const folder = this.#folder.join(`etcd-snapshot-${this.#snapshots}`);
    await this.kill('etcd');
    cpSync(this.#folder.join('etcd'), folder, { recursive: true });
    this.start('etcd');
    await this.ready();
    return { folder };
  }

  /** Takes etcd back to a snapshot: resource versions that were given out since are given out again, for other contents. */
  async restore({ folder }: EtcdSnapshot): Promise<void> {
    await Promise.all([this.kill('etcd'), this.kill('kube-apiserver')]);
    rmSync(this.#folder.join('etcd'), { recursive: true });
    cpSync(folder, this.#folder.join('etcd'), { recursive: true });
    this.start('etcd');
    this.start('kube-apiserver');
    await this.ready();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.values().map((process) => process.end('SIGKILL')));
    this.#folder.dispose();
  }

  #process(name: ControlPlaneProcess): OwnedProcess {
    const process = this.#processes.get(name);
    if (process === undefined) throw new LabError('not-found', `this control plane has no ${name}`);
    return process;
  }
}

type Ports = Readonly<Record<'port' | 'client' | 'peer' | 'manager', number>>;

function describeProcesses(folder: TemporaryFolder, binary: string, trust: Trust, ports: Ports, options: ControlPlaneOptions) {
  const processes = new Map<ControlPlaneProcess, OwnedProcess>();
  const describe = (name: ControlPlaneProcess, ...flags: readonly string[]) =>
    processes.set(name, new OwnedProcess(folder.join(`${name}.log`), binary, name, ...flags));
  const etcdUrl = `http://127.0.0.1:${ports.client}`;
  mkdirSync(folder.join('etcd'), { mode: 0o700 });
  describe('etcd', '--data-dir', folder.join('etcd'), '--client-url', etcdUrl, '--peer-url', `http://127.0.0.1:${ports.peer}`);
  writeFileSync(folder.join('audit-policy.json'), AUDIT_POLICY);
  const audit = { policy: folder.join('audit-policy.json'), log: folder.join('audit.log') };
  describe(
    'kube-apiserver',
    ...apiServerFlags({ trust, etcdUrl, address: '127.0.0.1', port: ports.port, ...(options.audit && { audit }) }),
    // Nothing would create the service account that it asks of pods.
    ...(options.controllerManager ? [] : ['--disable-admission-plugins=ServiceAccount']),
    ...(options.apiServerFlags ?? []),
  );
  if (options.controllerManager) {
    const flags = controllerManagerFlags(trust, folder.join('admin.conf'));
    describe('kube-controller-manager', ...flags, '--bind-address=127.0.0.1', `--secure-port=${ports.manager}`);
  }
  return processes;
}
