import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bootstrap } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Settings } from '../settings/index.ts';
import { AdminClient, type EnvoyState } from './admin-client.ts';
import { encodeBootstrap } from './bootstrap.ts';
import { envoyArguments, fingerprintStart } from './envoy-command.ts';
import { EnvoyError } from './envoy-error.ts';
import type { EnvoyEvent, ReplaceReason } from './envoy-event.ts';
import { type LogPosition, lastWords, openEnvoyLog } from './envoy-log.ts';
import { checkEnvoyVersion } from './envoy-version.ts';
import { RestartDelay } from './restart-delay.ts';
import { type EnvoyExit, type RunningEnvoy, spawnEnvoy, watchEnvoy } from './running-envoy.ts';
import type { EnvoyRecord, StateFolder } from './state-folder.ts';
import { stopEnvoy } from './stop-envoy.ts';

const READY_POLL_MS = 50;
/** Time, level and logger. */
const LOG_PREFIX = /^\S+ \[\w+\] \[\w+\] /;

export interface EnvoyProcessOptions {
  /** Path of the Envoy binary. */
  readonly binary: string;
  /** The version that the binary must be, such as `1.40.0`. */
  readonly version: string;
  /** Taken by this process; it holds Envoy's sockets, log and what the next Sluice needs to adopt it. */
  readonly state: StateFolder;
  /** Its admin socket must be the state folder's. */
  readonly bootstrap: Bootstrap;
  readonly settings: Settings['envoy'];
  readonly onEvent: (event: EnvoyEvent) => void;
}

/**
 * The node's Envoy. It outlives the process that started it, so that traffic does; the next one adopts it if it would start
 * an equal one. If it dies it is started again, for as long as it takes. Its standard output, the access log, stays that of
 * the process that started it.
 */
export class EnvoyProcess {
  readonly admin: AdminClient;
  readonly #options: EnvoyProcessOptions;
  readonly #bootstrapJson: string;
  readonly #arguments: readonly string[];
  /** Aborted by `stop` and `detach`: whatever happens to Envoy afterwards is not to be mended. */
  readonly #released = new AbortController();
  #envoy: RunningEnvoy | undefined;
  #log: LogPosition;
  /** The end of the Envoy that runs, once it has begun. */
  #ending: Promise<void> | undefined;
  #drainUntil = Number.POSITIVE_INFINITY;

  constructor(options: EnvoyProcessOptions) {
    this.#options = options;
    this.admin = new AdminClient(options.state.adminSocket);
    this.#bootstrapJson = encodeBootstrap(options.bootstrap);
    this.#arguments = envoyArguments(options.state.bootstrap, options.settings);
    this.#log = { path: options.state.envoyLog, offset: 0 };
  }

  /** Undefined while no Envoy runs. */
  get pid(): number | undefined {
    return this.#envoy?.identity.pid;
  }

  /**
   * Adopts the Envoy of the state folder or starts one, and resolves when it serves: when it has the first answers of the
   * xDS server, however long these take. From then on it is restarted whenever it ends.
   * @throws EnvoyError `not-executable`, `version-mismatch`, `exited-before-ready`, `stopped`; what the file system throws
   */
  async start(): Promise<void> {
    await checkEnvoyVersion(this.#options.binary, this.#options.version);
    const envoy = (await this.#adopt()) ?? (await this.#startFirst());
    void this.#supervise(envoy);
  }

  /**
   * Stops Envoy: new connections are refused at once, requests that are open have `drainMs` to finish. Never takes 20 s
   * longer than that. Called again, the shorter time counts.
   */
  stop({ drainMs }: { readonly drainMs: number }): Promise<void> {
    this.#drainUntil = Math.min(this.#drainUntil, performance.now() + drainMs);
    this.#released.abort();
    return this.#end(drainMs, () => this.#drainUntil);
  }

  /** Leaves Envoy to itself, and to the next Sluice on this state folder. */
  detach(): void {
    this.#released.abort();
    this.#envoy?.release();
  }

  #end(drainMs: number, drainUntil: () => number): Promise<void> {
    if (this.#ending !== undefined || this.#envoy === undefined) return this.#ending ?? Promise.resolve();
    this.#ending = this.#endOne(this.#envoy, drainMs, drainUntil).finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }

  async #endOne(envoy: RunningEnvoy, drainMs: number, drainUntil: () => number): Promise<void> {
    const { pid } = envoy.identity;
    this.#say({ kind: 'stopping', pid, drainMs });
    const by = await stopEnvoy(envoy, this.admin, drainUntil);
    envoy.release();
    this.#envoy = undefined;
    if (by !== undefined) this.#options.state.forgetEnvoy();
    this.#say({ kind: 'stopped', pid, by });
  }

  /** The Envoy of the last Sluice, once it serves; undefined if there is none, or none that can stay. */
  async #adopt(): Promise<RunningEnvoy | undefined> {
    this.#refuseIfReleased();
    const record = this.#options.state.findEnvoy();
    if (record === undefined) return undefined;
    const { pid, startedAt, version } = record;
    const envoy = watchEnvoy({ pid, startedAt });
    this.#envoy = envoy;
    this.#log = { path: this.#options.state.envoyLog, offset: record.logOffset };
    const reason = await this.#obstacle(record);
    this.#refuseIfReleased();
    if (reason !== undefined) {
      this.#say({ kind: 'replacing', pid, reason });
      await this.#replace();
      return undefined;
    }
    this.#say({ kind: 'adopted', pid, version });
    const exit = await this.#untilReady(envoy);
    this.#refuseIfReleased();
    if (exit === undefined) return envoy;
    this.#sayExited(envoy, exit);
    return undefined;
  }

  async #replace(): Promise<void> {
    const { drainTime } = this.#options.settings;
    const drainUntil = performance.now() + drainTime;
    await this.#end(drainTime, () => Math.min(drainUntil, this.#drainUntil));
  }

  async #startFirst(): Promise<RunningEnvoy> {
    this.#refuseIfReleased();
    const envoy = this.#spawn();
    const exit = await this.#untilReady(envoy);
    this.#refuseIfReleased();
    if (exit === undefined) return envoy;
    this.#envoy = undefined;
    this.#options.state.forgetEnvoy();
    throw this.#exitedBeforeReady(exit);
  }

  /** Why it cannot be adopted. */
  async #obstacle(record: EnvoyRecord): Promise<ReplaceReason | undefined> {
    if (record.fingerprint !== this.#fingerprint()) return 'configuration-changed';
    const state = await this.#state();
    if (state === undefined) return 'not-answering';
    return state === 'DRAINING' ? 'draining' : undefined;
  }

  #spawn(): RunningEnvoy {
    const { binary, version, state } = this.#options;
    state.writeBootstrap(this.#bootstrapJson);
    const { fd, position } = openEnvoyLog(state.envoyLog);
    this.#log = position;
    try {
      const envoy = spawnEnvoy(binary, this.#arguments, { cwd: state.path, logFd: fd });
      this.#remember(envoy);
      this.#envoy = envoy;
      this.#say({ kind: 'started', pid: envoy.identity.pid, version });
      return envoy;
    } finally {
      closeSync(fd);
    }
  }

  #remember(envoy: RunningEnvoy): void {
    const { state, version } = this.#options;
    try {
      state.rememberEnvoy({ ...envoy.identity, version, fingerprint: this.#fingerprint(), logOffset: this.#log.offset });
    } catch (error) {
      // One that nobody remembers would serve on the same ports as the next.
      envoy.signal('SIGKILL');
      throw error;
    }
  }

  #fingerprint(): string {
    return fingerprintStart({ binary: this.#options.binary, args: this.#arguments, bootstrap: this.#bootstrapJson });
  }

  /** Undefined when Envoy serves, or was released before it did; otherwise how it ended. */
  async #untilReady(envoy: RunningEnvoy): Promise<EnvoyExit | undefined> {
    let exit: EnvoyExit | undefined;
    void envoy.exited.then((how) => {
      exit = how;
    });
    while (exit === undefined && !this.#isReleased) {
      if ((await this.#state()) === 'LIVE') {
        this.#say({ kind: 'ready', pid: envoy.identity.pid });
        return undefined;
      }
      await sleep(READY_POLL_MS);
    }
    return exit;
  }

  async #supervise(envoy: RunningEnvoy): Promise<void> {
    const delay = new RestartDelay();
    for (let current: RunningEnvoy | undefined = envoy; current !== undefined; current = await this.#revive(delay)) {
      const readyAt = performance.now();
      const exit = await current.exited;
      if (this.#isReleased) return;
      this.#sayExited(current, exit);
      delay.afterHealth(performance.now() - readyAt);
    }
  }

  /** Starts Envoy until one serves; undefined once released. */
  async #revive(delay: RestartDelay): Promise<RunningEnvoy | undefined> {
    for (;;) {
      const inMs = delay.next();
      this.#say({ kind: 'restarting', inMs });
      await sleep(inMs, undefined, { signal: this.#released.signal }).catch(() => {});
      if (this.#isReleased) return undefined;
      try {
        const envoy = this.#spawn();
        const exit = await this.#untilReady(envoy);
        if (this.#isReleased) return undefined;
        if (exit === undefined) return envoy;
        this.#sayExited(envoy, exit);
      } catch (error) {
        // A binary that is being replaced or a full disk may be well again the next time.
        this.#say({ kind: 'start-failed', message: error instanceof Error ? error.message : String(error) });
      }
    }
  }

  async #state(): Promise<EnvoyState | undefined> {
    try {
      return await this.admin.state();
    } catch (error) {
      if (error instanceof EnvoyError) return undefined;
      throw error;
    }
  }

  #exitedBeforeReady(exit: EnvoyExit): EnvoyError {
    const lines = lastWords(this.#log);
    const how = describeExit(exit);
    const message = `Envoy ended ${how} before it was ready: ${lines.at(-1)?.replace(LOG_PREFIX, '') ?? `it said nothing in ${this.#log.path}`}`;
    return new EnvoyError('exited-before-ready', message, { lines });
  }

  #sayExited(envoy: RunningEnvoy, exit: EnvoyExit): void {
    this.#envoy = undefined;
    this.#say({ kind: 'exited', pid: envoy.identity.pid, ...exit, lines: lastWords(this.#log) });
  }

  get #isReleased(): boolean {
    return this.#released.signal.aborted;
  }

  #refuseIfReleased(): void {
    if (this.#isReleased) throw new EnvoyError('stopped', 'Envoy was stopped before it was ready');
  }

  #say(event: EnvoyEvent): void {
    this.#options.onEvent(event);
  }
}

function describeExit({ code, signal }: EnvoyExit): string {
  if (signal !== undefined) return `by ${signal}`;
  return code === undefined ? 'for an unknown reason' : `with code ${code}`;
}
