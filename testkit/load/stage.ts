import { setTimeout as sleep } from 'node:timers/promises';
import { Backend, type BackendOptions } from '../backend.ts';
import { type MadeCertificate, makeCertificate } from '../make-certificate.ts';
import { freePort } from '../ports.ts';
import { ChangeLog } from './change-log.ts';
import { type Answer, http1Client, http2Client, type LoadClient } from './clients.ts';
import { Load } from './load.ts';
import { ManifestWriter } from './manifest-writer.ts';
import { sliceManifest } from './objects.ts';
import { Target } from './target.ts';

const POLL_MS = 20;
/** Far beyond what any change takes; one that takes longer never comes. */
const MAX_WAIT_MS = 20_000;
const CONNECTIONS = 8;

export interface StageOptions {
  /** The folder that `sluice run` follows. */
  readonly manifests: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly requestsPerSecond: number;
  /** For each server name how many certificates there are to be, all of them trusted by the clients. */
  readonly certificates?: Readonly<Record<string, number>>;
}

/** Where changes are made under load: backends, clients, and what all of them know. */
export class Stage implements AsyncDisposable {
  readonly changes = new ChangeLog();
  readonly load: Load;
  readonly #options: StageOptions;
  readonly #certificates = new Map<string, readonly MadeCertificate[]>();
  readonly #backends = new Map<string, Backend>();
  /** Sees what a client that comes anew sees. */
  readonly #observer: LoadClient;

  constructor(options: StageOptions) {
    this.#options = options;
    for (const [host, count] of Object.entries(options.certificates ?? {})) {
      this.#certificates.set(
        host,
        // Names of their own, since that is how a client finds the one that it is shown among those it trusts.
        Array.from({ length: count }, (_, index) => makeCertificate({ commonName: `${index} ${host}`, names: [host] })),
      );
    }
    const ca = this.trusted;
    this.#observer = http1Client('observer', ca, { keepAlive: false });
    const { requestsPerSecond } = options;
    this.load = new Load({ clients: allClients(ca), requestsPerSecond, changes: this.changes });
  }

  /** PEM of every certificate. */
  get trusted(): readonly string[] {
    return [...this.#certificates.values()].flatMap((made) => made.map(({ certificate }) => certificate));
  }

  certificates(host: string): readonly MadeCertificate[] {
    return this.#certificates.get(host) ?? [];
  }

  writer(name: string): ManifestWriter {
    return new ManifestWriter(this.#options.manifests, name);
  }

  target(scheme: 'http' | 'https', host: string, path: string, ...backends: readonly string[]): Target {
    const { httpPort, httpsPort } = this.#options;
    return new Target({ scheme, port: scheme === 'http' ? httpPort : httpsPort, host, path }, ...backends);
  }

  /** Starts a backend; one that ran before takes its port again. */
  async startBackend(name: string, options: Pick<BackendOptions, 'protocol'> = {}): Promise<Backend> {
    // Not one that the kernel gives: it might give it to a client while the backend is away.
    const port = this.#backends.get(name)?.port ?? (await freePort());
    const backend = await Backend.start({ ...options, name, port });
    this.#backends.set(name, backend);
    return backend;
  }

  /** An EndpointSlice of a Service, for one backend. */
  sliceOf(service: string, { name, address, port }: Backend, portName?: string) {
    return sliceManifest(service, name, port, [{ address }], portName);
  }

  /**
   * Makes a change and waits until a new client sees it. Every answer on the way must be acceptable.
   * @throws where nobody sees it
   */
  async change(text: string, write: () => string, target: Target, isSeen: (answer: Answer) => boolean): Promise<void> {
    await this.changeUntil(text, write, target, async () => {
      const answer = await this.load.ask(this.#observer, target);
      return answer !== undefined && isSeen(answer);
    });
  }

  /** The same for a target that is not there yet, so that answers on the way do not matter. */
  async changeUntilServed(text: string, write: () => string, target: Target): Promise<void> {
    await this.changeUntil(text, write, target, () => this.#seenByAll(target, true));
  }

  /** The same for a target that is not to be there any more. What was not seen to go could be taken for what comes next. */
  async changeUntilGone(text: string, remove: () => void, target: Target): Promise<void> {
    const write = () => {
      remove();
      return 'removed';
    };
    await this.changeUntil(text, write, target, () => this.#seenByAll(target, false));
  }

  async changeUntil(text: string, write: () => string, target: Target, isSeen: () => Promise<boolean>): Promise<void> {
    const { changes } = this;
    // Said before the file is touched, so that a failure at that moment finds it.
    const inForce = changes.begin(`${text} at ${target}`);
    const style = write();
    const end = performance.now() + MAX_WAIT_MS;
    while (!(await isSeen())) {
      if (performance.now() > end) throw new Error(`nobody sees, ${MAX_WAIT_MS / 1000} s after it: ${text} (${style})`);
      await sleep(POLL_MS);
    }
    inForce();
  }

  /** By so many new connections that each of Envoy's threads most likely had one: none is to follow later. */
  async #seenByAll(target: Target, isServed: boolean): Promise<boolean> {
    for (let count = 0; count < CONNECTIONS; count += 1) {
      const answer = await this.#observer.send(target.address).catch(() => undefined);
      if ((answer?.status === 200) !== isServed) return false;
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#observer.close();
    await Promise.all([...this.#backends.values()].map((backend) => backend[Symbol.asyncDispose]()));
  }
}

function allClients(ca: readonly string[]): LoadClient[] {
  return [
    ...Array.from({ length: 8 }, () => http1Client('HTTP/1.1 keep-alive', ca, { keepAlive: true })),
    ...Array.from({ length: 3 }, () => http1Client('HTTP/1.1 new connections', ca, { keepAlive: false })),
    ...Array.from({ length: 8 }, () => http2Client('HTTP/2', ca)),
  ];
}
