import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority, type KeyedCertificate, makeTokenKeys } from './authority.ts';

/** What a client needs to be let in by an API server, in PEM. */
export interface Credentials extends KeyedCertificate {
  readonly authority: string;
}

/** The folder with a cluster's keys and certificates: what its processes read from it has fixed names, see {@link writeTrust}. */
export class Trust {
  readonly folder: string;
  readonly authority: Authority;

  constructor(folder: string, authority: Authority) {
    this.folder = folder;
    this.authority = authority;
  }

  /** The path of `ca.crt`, `sa.pub`, … */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Makes credentials and writes them as `NAME.crt` and `NAME.key`. */
  async issue(name: string, subject: Parameters<Authority['issue']>[0]): Promise<Credentials> {
    const { certificate, privateKey } = await this.authority.issue(subject);
    writeFileSync(this.path(`${name}.crt`), certificate);
    writeFileSync(this.path(`${name}.key`), privateKey, { mode: 0o600 });
    return { authority: this.authority.certificate, certificate, privateKey };
  }
}

/**
 * Writes `ca.crt` and `ca.key`, `sa.pub` and `sa.key` for tokens, and the API server's own certificate, `apiserver.crt` and
 * `apiserver.key`.
 * @param addresses of the API server, beside the names that Services give it
 */
export async function writeTrust(folder: string, addresses: readonly string[]): Promise<Trust> {
  mkdirSync(folder, { recursive: true });
  const trust = new Trust(folder, await Authority.make());
  const tokenKeys = makeTokenKeys();
  writeFileSync(trust.path('ca.crt'), trust.authority.certificate);
  writeFileSync(trust.path('ca.key'), trust.authority.privateKey, { mode: 0o600 });
  writeFileSync(trust.path('sa.pub'), tokenKeys.publicKey);
  writeFileSync(trust.path('sa.key'), tokenKeys.privateKey, { mode: 0o600 });
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];
  await trust.issue('apiserver', { name: 'kube-apiserver', hosts: ['localhost', ...service, ...addresses] });
  return trust;
}

/** A kubeconfig that needs no other file: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
export function kubeconfig(server: string, { authority, certificate, privateKey }: Credentials): string {
  const encode = (text: string) => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority-data': encode(authority) } }],
    users: [{ name: 'lab', user: { 'client-certificate-data': encode(certificate), 'client-key-data': encode(privateKey) } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
    'current-context': 'lab',
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}
