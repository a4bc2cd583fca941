import type { Access, Cluster, Credential } from './credentials.ts';
import { ExecCredential } from './exec-credential.ts';
import type { KubeconfigChoice, KubeconfigUser } from './kubeconfig.ts';
import { ReReadFile } from './re-read-file.ts';

/** @throws CredentialsError `unreadable` where a file that is named cannot be read */
export function kubeconfigAccess({ cluster: raw, user }: KubeconfigChoice): Access {
  const authority = source(raw['certificate-authority-data'], raw['certificate-authority']);
  const certificate = source(user['client-certificate-data'], user['client-certificate']);
  const key = source(user['client-key-data'], user['client-key']);
  const tokenFile = user.tokenFile === undefined ? undefined : new ReReadFile(user.tokenFile);
  const serverName = raw['tls-server-name'];
  const cluster = (): Cluster => {
    const pem = authority?.read();
    return {
      server: raw.server,
      ...(pem !== undefined && { authority: pem }),
      ...(serverName !== undefined && { serverName }),
      ...(raw['insecure-skip-tls-verify'] && { insecure: true }),
    };
  };
  const plugin = user.exec ? new ExecCredential(user.exec, cluster()) : undefined;
  const fixed = (): Credential => {
    const token = tokenFile?.read() ?? user.token;
    const { username, password } = user;
    return {
      ...(token !== undefined && { token }),
      ...(username !== undefined && token === undefined && { basic: { username, password: password ?? '' } }),
      ...(certificate && { certificate: certificate.read() }),
      ...(key && { key: key.read() }),
    };
  };
  const files = [authority, certificate, key, tokenFile];
  for (const file of files) file?.read();
  return {
    cluster,
    credential: async () => (plugin ? { ...fixed(), ...(await plugin.get()) } : fixed()),
    refresh: (refused) => {
      plugin?.refuse(refused);
      for (const file of files) file?.forget();
    },
    headers: impersonation(user),
  };
}

interface Readable {
  read(): string;
  forget(): void;
}

/** What stands in the kubeconfig itself wins over a file, as client-go has it. */
function source(data: string | undefined, path: string | undefined): Readable | undefined {
  if (data === undefined) return path === undefined ? undefined : new ReReadFile(path);
  const decoded = Buffer.from(data, 'base64').toString('utf8');
  return { read: () => decoded, forget: () => {} };
}

/** @see https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/ */
function impersonation(user: KubeconfigUser): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  if (user.as !== undefined) headers['impersonate-user'] = user.as;
  if (user['as-uid'] !== undefined) headers['impersonate-uid'] = user['as-uid'];
  const groups = user['as-groups'] ?? [];
  if (groups.length > 0) headers['impersonate-group'] = groups;
  for (const [key, values] of Object.entries(user['as-user-extra'] ?? {})) {
    headers[`impersonate-extra-${encodeURIComponent(key)}`] = values;
  }
  return headers;
}
