import { createHash } from 'node:crypto';
import { closeSync, fchmodSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clone } from '@bufbuild/protobuf';
import { type Bootstrap, BootstrapSchema } from '@sluice/envoy-protos/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Settings } from '../settings/index.ts';
import { AdminClient, type ServerInfo } from './admin-client.ts';
import { encodeBootstrap } from './bootstrap.ts';
import { envoyArguments } from './envoy-command.ts';
import { EnvoyError } from './envoy-error.ts';

const LIVE_POLL_MS = 1_000;
const AWAY_POLL_MS = 100;
/** A bootstrap holds no secret, and is read by the group of Envoy's pod. */
const GROUP_READS = 0o640;

export type ExternalEnvoyEvent =
  /** It serves the first complete configuration; also after each restart. */
  | { readonly kind: 'ready'; readonly version: string; readonly uptimeSeconds: number }
  /** It served and no longer answers. */
  | { readonly kind: 'away' }
  /** It runs with another bootstrap or other arguments, and is told to end, so that it is started with these. */
  | { readonly kind: 'replacing'; readonly reason: 'configuration-changed' }
  /** It is not the Envoy that this Sluice was made for. Told once for each Envoy; it is used nevertheless. */
  | { readonly kind: 'version-mismatch'; readonly version: string; readonly expected: string };

export interface ExternalEnvoyOptions {
  /** The folder of the node that both pods share. Its `admin.sock` must be the admin socket of the bootstrap. */
  readonly folder: string;
  /** The version that Envoy should be, such as `1.40.0`. */
  readonly version: string;
  readonly bootstrap: Bootstrap;
  readonly settings: Settings['envoy'];
  readonly onEvent: (event: ExternalEnvoyEvent) => void;
}

/**
 * The node's Envoy where another process starts it, again and again: the supervisor in its pod, `images/envoy-supervisor.sh`. What is
 * here says with what it is to be started, and watches it over its admin interface.
 */
export class ExternalEnvoy implements AsyncDisposable {
  readonly admin: AdminClient;
  readonly #options: ExternalEnvoyOptions;
  readonly #fingerprint: string;
  readonly #ended = new AbortController();
  #info: ServerInfo | undefined;
  #startedAt: number | undefined;
  /** Which Envoy `#info` is of. */
  #seen: string | undefined;
  #watching: Promise<void> | undefined;

  constructor(options: ExternalEnvoyOptions) {
    this.#options = options;
    this.admin = new AdminClient(join(options.folder, 'admin.sock'));
    this.#fingerprint = createHash('sha256')
      .update(JSON.stringify([encodeBootstrap(options.bootstrap), this.#arguments]))
      .digest('hex');
  }

  /** What Envoy said of itself last; undefined while it does not answer, or is not the one that is wanted. */
  get info(): ServerInfo | undefined {
    return this.#info;
  }

  get isLive(): boolean {
    return this.#info?.state === 'LIVE';
  }

  /** When the Envoy that runs was started, in milliseconds since 1970, give or take a second; undefined as `info` is. */
  get startedAt(): number | undefined {
    return this.#startedAt;
  }

  /**
   * Writes what Envoy is started with, and watches from now on. An Envoy that runs with something else is told to end.
   * @throws what the file system throws
   */
  start(): void {
    const bootstrap = clone(BootstrapSchema, this.#options.bootstrap);
    // Told back by `/server_info`, so that it is known with what an Envoy was started.
    if (bootstrap.node) bootstrap.node.metadata = { ...bootstrap.node.metadata, start: this.#fingerprint };
    // The bootstrap goes last: the supervisor waits for it.
    this.#write('envoy.args', `${this.#arguments.join('\n')}\n`);
    this.#write('bootstrap.json', encodeBootstrap(bootstrap));
    this.#watching ??= this.#watch();
  }

  /** Stops watching. Envoy goes on. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#watching;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  get #arguments(): readonly string[] {
    return envoyArguments(join(this.#options.folder, 'bootstrap.json'), this.#options.settings);
  }

  /** Whole or not at all, and readable by Envoy's pod whatever the umask is. */
  #write(name: string, text: string): void {
    const path = join(this.#options.folder, name);
    // Envoy's pod can write to the folder too, and a link that it left there must lead nowhere.
    rmSync(`${path}.new`, { force: true });
    const file = openSync(`${path}.new`, 'wx', GROUP_READS);
    try {
      fchmodSync(file, GROUP_READS);
      writeFileSync(file, text);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await this.#look();
      await sleep(this.isLive ? LIVE_POLL_MS : AWAY_POLL_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #look(): Promise<void> {
    try {
      const incarnation = this.#incarnation();
      await this.#took(await this.admin.serverInfo(), incarnation);
    } catch (error) {
      if (!(error instanceof EnvoyError)) throw error;
      this.#lost();
    }
  }

  async #took(info: ServerInfo, incarnation: string | undefined): Promise<void> {
    if (this.#ended.signal.aborted) return;
    if (info.start !== this.#fingerprint) return await this.#replace();
    const startedAt = Date.now() - info.uptimeSeconds * 1000;
    const isAnother = this.#info === undefined || incarnation !== this.#seen;
    const wasLive = this.isLive;
    this.#info = info;
    this.#seen = incarnation;
    if (isAnother) this.#startedAt = startedAt;
    const { version: expected, onEvent } = this.#options;
    if (isAnother && info.version !== expected) onEvent({ kind: 'version-mismatch', version: info.version, expected });
    if (this.isLive && (isAnother || !wasLive)) onEvent({ kind: 'ready', version: info.version, uptimeSeconds: info.uptimeSeconds });
  }

  /** Another for each Envoy, since each makes its socket anew; the time that it has run is told in seconds only. */
  #incarnation(): string | undefined {
    const stat = statSync(join(this.#options.folder, 'admin.sock'), { throwIfNoEntry: false, bigint: true });
    return stat && `${stat.ino} ${stat.ctimeNs}`;
  }

  async #replace(): Promise<void> {
    this.#lost();
    this.#options.onEvent({ kind: 'replacing', reason: 'configuration-changed' });
    await this.admin.quit();
  }

  #lost(): void {
    const wasLive = this.isLive;
    this.#info = undefined;
    this.#startedAt = undefined;
    if (wasLive && !this.#ended.signal.aborted) this.#options.onEvent({ kind: 'away' });
  }
}
