import { execFile } from 'node:child_process';
import { z } from 'zod';
import { type Cluster, type Credential, CredentialsError } from './credentials.ts';
import type { KubeconfigExec } from './kubeconfig.ts';

const WITHIN_MS = 60_000;
/** So long before it expires a credential is replaced. */
const MARGIN_MS = 10_000;

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

/**
 * A credential plugin, run when what it gave last has expired or was refused; of several callers one runs it.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
export class ExecCredential {
  readonly #exec: KubeconfigExec;
  readonly #cluster: Cluster;
  #known: { readonly credential: Credential; readonly expiresAt: number } | undefined;
  #running: Promise<Credential> | undefined;

  constructor(exec: KubeconfigExec, cluster: Cluster) {
    this.#exec = exec;
    this.#cluster = cluster;
  }

  /** @throws CredentialsError `plugin-failed`, `invalid`; nothing that the plugin wrote is in the message */
  async get(): Promise<Credential> {
    if (this.#known && Date.now() < this.#known.expiresAt - MARGIN_MS) return this.#known.credential;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return await this.#running;
  }

  forget(): void {
    this.#known = undefined;
  }

  async #run(): Promise<Credential> {
    const { command, apiVersion } = this.#exec;
    const seen = answer.safeParse(decode(await this.#output()));
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
    this.#known = { credential, expiresAt };
    return credential;
  }

  #output(): Promise<string> {
    const { command, args, env } = this.#exec;
    const own = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
    const environment = { ...process.env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(this.#info()) };
    return new Promise((resolve, reject) => {
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

function decode(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
