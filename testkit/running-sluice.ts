import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Status, statusSchema } from '../controller/admin/status.ts';
import type { Diagnostic } from '../model/index.ts';
import { Backend, type BackendOptions } from './backend.ts';
import { eventually } from './eventually.ts';
import { type Answer, type RequestOptions, requestHttp1 } from './http-request.ts';
import { ingressManifest, type ManifestObject, serviceManifest, sliceManifest } from './manifest-objects.ts';
import { freePorts } from './ports.ts';
import { SluiceCommand } from './sluice-command.ts';
import { TemporaryFolder } from './temporary-folder.ts';

export interface RunningSluiceOptions {
  /** What the settings file says, over one worker and a short drain time. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** The binary to run as Envoy, by its name in {@link RunningSluice.folder}. Default: the usual one. */
  readonly envoy?: string;
}

type RequestParts = Omit<RequestOptions, 'port' | 'host' | 'path'>;

/** The namespace of what says how far manifests are read. */
const MARKERS = 'read-so-far';

/**
 * A real `sluice run` with its Envoy, on a folder of manifests and ports of its own, for the tests of a file to share:
 *
 *     const sluice = new RunningSluice();
 *     before(() => sluice.start());
 *     after(() => sluice.stop());
 */
export class RunningSluice {
  readonly folder = new TemporaryFolder();
  readonly #options: RunningSluiceOptions;
  readonly #backends: Backend[] = [];
  /** By file: the objects in it. */
  readonly #written = new Map<string, ReadonlySet<string>>();
  #command: SluiceCommand | undefined;
  #ports = { http: 0, https: 0, admin: 0 };
  #marks = 0;
  #marker = 'marker';
  #hasLost = false;

  constructor(options: RunningSluiceOptions = {}) {
    this.#options = options;
    mkdirSync(this.folder.join('manifests'));
  }

  /** Starts it and waits until it is ready. What was written before is in its first configuration. */
  async start(): Promise<void> {
    this.#mark();
    const [http = 0, https = 0, admin = 0] = await freePorts(3);
    this.#ports = { http, https, admin };
    const { settings = {} } = this.#options;
    const merged = { ...settings, envoy: { concurrency: 1, drainTime: '1s', ...settings['envoy'] } };
    writeFileSync(this.folder.join('sluice.yaml'), JSON.stringify(merged));
    await this.#run();
  }

  /** Kills it, but not its Envoy, and starts it again. */
  async crash(): Promise<void> {
    await this.#command?.[Symbol.asyncDispose]();
    await this.#run();
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    await this.#command?.[Symbol.asyncDispose]();
    this.folder.dispose();
    await Promise.all(this.#backends.map((backend) => backend[Symbol.asyncDispose]()));
  }

  get httpPort(): number {
    return this.#ports.http;
  }

  get httpsPort(): number {
    return this.#ports.https;
  }

  /** What Envoy wrote to its standard output. */
  get stdout(): string {
    return this.#command?.stdout ?? '';
  }

  /** Starts a backend, to be stopped with the rest. */
  async startBackend(options: BackendOptions): Promise<Backend> {
    const backend = await Backend.start(options);
    this.#backends.push(backend);
    return backend;
  }

  /** Starts backends and writes a Service for each, of the same name, with port 80. */
  async addBackends(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const { port } = await this.startBackend({ name });
      this.write(`backend-${name}.yaml`, serviceManifest(name), sliceManifest(name, port));
    }
  }

  /** Replaces a file as a whole, the way editors do. Text is a document as it is. */
  write(file: string, ...objects: readonly (ManifestObject | string)[]): void {
    const documents = objects.map((object) => (typeof object === 'string' ? object : JSON.stringify(object)));
    this.#replace(file, documents.map((document) => `${document}\n`).join('---\n'));
    this.#note(file, new Set(objects.map(identityOf)));
  }

  remove(file: string): void {
    rmSync(this.#path(file));
    this.#note(file, new Set());
  }

  /** Waits until all that was written is read, and Envoy has acknowledged and taken up what came of it. */
  async settled(): Promise<void> {
    await this.#read();
    await eventually(async () => {
      const { clients, trying = 0 } = await this.status();
      if (trying > 0) throw new Error('an Envoy is still trying configs');
      if (clients.length === 0 || clients.some(({ synced }) => !synced)) throw new Error('Envoy has not acknowledged everything');
      const stats = await this.envoyAdmin('/stats?filter=warming');
      if (!/listeners_warming: 0\n/.test(stats) || !/warming_clusters: 0\n/.test(stats)) throw new Error(`warming:\n${stats}`);
    });
  }

  /** What is wrong, but for what this class itself does. */
  async diagnostics(): Promise<readonly Diagnostic[]> {
    const found: Diagnostic[] = JSON.parse(await this.#admin('/diagnostics'));
    return found.filter(({ object }) => object?.namespace !== MARKERS);
  }

  /** `Kind/name Code`, sorted. */
  async findings(): Promise<readonly string[]> {
    return (await this.diagnostics()).map(({ object, code }) => `${object?.kind}/${object?.name} ${code}`).sort();
  }

  async status(): Promise<Status> {
    return statusSchema.parse(JSON.parse(await this.#admin('/status')));
  }

  /** A listener as Envoy is told of it, in JSON. */
  async listener(name: string): Promise<string> {
    const found: readonly { readonly name: string }[] = JSON.parse(await this.#admin('/snapshot?type=listener'));
    return JSON.stringify(found.filter((listener) => listener.name === name));
  }

  async envoyAdmin(path: string, method = 'GET'): Promise<string> {
    const socketPath = this.folder.join('state', 'admin.sock');
    return await new Promise((resolve, reject) => {
      request({ socketPath, path, method }, (response) => resolve(text(response)))
        .on('error', reject)
        .end();
    });
  }

  /** A request over HTTP/1.1 to the port for HTTP. */
  async get(host: string, path = '/', more: RequestParts = {}): Promise<Answer> {
    return await requestHttp1({ port: this.#ports.http, host, path, ...more });
  }

  /** A request over HTTP/1.1 to the port for HTTPS, with any certificate. */
  async getSecure(host: string, path = '/', more: RequestParts = {}): Promise<Answer> {
    return await requestHttp1({ port: this.#ports.https, host, path, tls: {}, ...more });
  }

  /** Who answers: the name of a backend, else the status. */
  async whoAnswers(host: string, path = '/', more: RequestParts = {}): Promise<string> {
    const { backend, status } = await this.get(host, path, more);
    return backend ?? String(status);
  }

  async #run(): Promise<void> {
    const { http, https, admin } = this.#ports;
    const { envoy } = this.#options;
    const ports = ['--http-port', `${http}`, '--https-port', `${https}`, '--admin-port', `${admin}`];
    const places = ['--manifests', this.folder.join('manifests'), '--state-dir', this.folder.join('state')];
    this.#command = new SluiceCommand(['run', ...places, ...ports, '--config', this.folder.join('sluice.yaml')], {
      ...(envoy !== undefined && { env: { SLUICE_ENVOY: this.folder.join(envoy) } }),
    });
    await this.#command.untilSaid(/^ready /);
  }

  #path(file: string): string {
    return this.folder.join('manifests', file);
  }

  #replace(file: string, content: string): void {
    const beside = this.folder.join('beside');
    writeFileSync(beside, content);
    renameSync(beside, this.#path(file));
  }

  #note(file: string, objects: ReadonlySet<string>): void {
    const before = this.#written.get(file) ?? new Set<string>();
    this.#hasLost ||= [...before].some((object) => !objects.has(object));
    this.#written.set(file, objects);
  }

  /** Waits until a marker that was written after all else is read. */
  async #read(): Promise<void> {
    const mark = this.#mark();
    await eventually(async () => {
      const isRead = (await this.#admin('/diagnostics')).includes(`/${mark}"`);
      if (!isRead) throw new Error('not everything is read');
    });
  }

  #mark(): string {
    this.#marks += 1;
    const mark = `mark-${this.#marks}`;
    // What a folder loses is believed later than what it gains, and together with other losses: so the marker gets lost, too.
    if (this.#hasLost) this.#marker = mark;
    this.#hasLost = false;
    this.#replace('marker.yaml', `${JSON.stringify(ingressManifest(this.#marker, { namespace: MARKERS, annotations: { [mark]: '' } }))}\n`);
    return mark;
  }

  async #admin(path: string): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#ports.admin}${path}`)).text();
  }
}

function identityOf(object: ManifestObject | string): string {
  return typeof object === 'string' ? object : `${object.kind}/${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}
