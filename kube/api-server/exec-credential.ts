import { execFile } from 'node:child_process';
import { z } from 'zod';
import { type Clock, MONOTONIC_CLOCK } from '../clock.ts';
import { type Cluster, type Credential, CredentialsError } from './credentials.ts';
import { tryDecodeJson } from './json-lines.ts';
import type { KubeconfigExec } from './kubeconfig.ts';

const WITHIN_MS = 60_000;
/** So long before it expires a credential is replaced. */
const MARGIN_MS = 10_000;
/** Between two runs after what came of them was of no use twice in a row; twice as long each time. */
const FIRST_PAUSE_MS = 1_000;
/** Also how long a credential must have served to have been of use. */
const LONGEST_PAUSE_MS = 60_000;

const answer = z.object({
  apiVersion: z.string(),
  kind: z.literal('ExecCredential'),
  status: z.object({
    expirationTimestamp: z.iso.datetime({ offset: true }).optional(),
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
  }),
});

interface Known {
  readonly credential: Credential;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** It had not expired when it was given. */
  readonly wasGood: boolean;
  isRefused: boolean;
}

/**
 * A credential plugin, run when what it gave last has expired or was refused; of several callers one runs it. Where it fails, or what it
 * gives is refused or has expired again and again, it is left alone for longer and longer, since it may ask somebody far away, or a person.
 * Until then there is what it gave last, or how it failed.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
export class ExecCredential {
  readonly #exec: KubeconfigExec;
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  #known: Known | undefined;
  #failure: unknown;
  /** When it ran last. */
  #ranAt = 0;
  /** Runs in a row that were of no use. */
  #misses = 0;
  #running: Promise<Credential> | undefined;

  constructor(exec: KubeconfigExec, cluster: Cluster, clock = MONOTONIC_CLOCK) {
    this.#exec = exec;
    this.#cluster = cluster;
    this.#clock = clock;
  }

  /** @throws CredentialsError `plugin-failed`, `invalid`; nothing that the plugin wrote is in the message */
  async get(): Promise<Credential> {
    const known = this.#known;
    if (known && !known.isRefused && !isExpired(known)) return known.credential;
    if (this.#running === undefined && this.#clock.now() < this.#ranAt + this.#pauseMs()) {
      if (this.#failure !== undefined) throw this.#failure;
      if (known) return known.credential;
    }
    this.#running ??= this.#runOnce().finally(() => {
      this.#running = undefined;
    });
    return await this.#running;
  }

  /** A credential was refused, which may be an older one than it gives now. */
  refuse({ token, certificate }: Credential): void {
    const known = this.#known;
    if (!known || known.isRefused) return;
    // What else was sent stands in the kubeconfig.
    const { token: own = token, certificate: ownCertificate = certificate } = known.credential;
    if (own !== token || ownCertificate !== certificate) return;
    known.isRefused = true;
    this.#misses = this.#clock.now() - this.#ranAt > LONGEST_PAUSE_MS ? 1 : this.#misses + 1;
  }

  #pauseMs(): number {
    return this.#misses < 2 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#misses - 2));
  }

  async #runOnce(): Promise<Credential> {
    if (this.#known && !this.#known.isRefused && this.#known.wasGood) this.#misses = 0;
    this.#failure = undefined;
    try {
      this.#known = await this.#run();
      if (!this.#known.wasGood) this.#misses += 1;
      return this.#known.credential;
    } catch (error) {
      this.#failure = error;
      this.#misses += 1;
      throw error;
    } finally {
      this.#ranAt = this.#clock.now();
    }
  }

  async #run(): Promise<Known> {
    const { command, apiVersion } = this.#exec;
    const seen = answer.safeParse(tryDecodeJson(await this.#output()));
    if (!seen.success || seen.data.apiVersion !== apiVersion) {
      throw new CredentialsError('invalid', `the credential plugin ${command} did not answer an ExecCredential of ${apiVersion}`);
    }
    const { token, clientCertificateData: certificate, clientKeyData: key, expirationTimestamp } = seen.data.status;
    if (token === undefined && (certificate === undefined || key === undefined)) {
      throw new CredentialsError('invalid', `the credential plugin ${command} answered neither a token nor a certificate with its key`);
    }
    const credential = {
      ...(token !== undefined && { token }),
      ...(certificate !== undefined && { certificate }),
      ...(key !== undefined && { key }),
    };
    const expiresAt = expirationTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(expirationTimestamp);
    return { credential, expiresAt, wasGood: Date.now() < expiresAt - MARGIN_MS, isRefused: false };
  }

  async #output(): Promise<string> {
    const { command, args, env } = this.#exec;
    const own = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
    const environment = { ...process.env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(this.#info()) };
    // What a process cannot be given is quoted in what is thrown.
    if ([command, ...(args ?? []), ...Object.entries(own).flat()].some((text) => text.includes('\0'))) {
      throw new CredentialsError('invalid', 'the credential plugin has a zero byte in its command, arguments or environment');
    }
    return await new Promise((resolve, reject) => {
      execFile(command, args ?? [], { env: environment, timeout: WITHIN_MS, killSignal: 'SIGKILL' }, (error, output) => {
        // The error's own message holds the arguments and what the plugin wrote.
        if (error) reject(new CredentialsError('plugin-failed', `the credential plugin ${command} failed: ${error.code ?? error.signal}`));
        else resolve(output);
      });
    });
  }

  #info(): object {
    const { server, authority, serverName, insecure } = this.#cluster;
    const cluster = {
      server,
      ...(authority !== undefined && { 'certificate-authority-data': Buffer.from(authority).toString('base64') }),
      ...(serverName !== undefined && { 'tls-server-name': serverName }),
      ...(insecure && { 'insecure-skip-tls-verify': true }),
    };
    const spec = { interactive: false, ...(this.#exec.provideClusterInfo && { cluster }) };
    return { apiVersion: this.#exec.apiVersion, kind: 'ExecCredential', spec };
  }
}

function isExpired({ expiresAt }: Known): boolean {
  return Date.now() >= expiresAt - MARGIN_MS;
}
