import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Access, CredentialsError } from './credentials.ts';
import { ReReadFile } from './re-read-file.ts';

const FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * A pod's service account, whose token and authority are read again when they change.
 * @returns undefined outside of a cluster
 * @throws CredentialsError `unreadable` where the token exists but cannot be read
 * @see https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
export function inClusterAccess(environment: NodeJS.ProcessEnv, folder = FOLDER): Access | undefined {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '443';
  if (host === undefined || host === '' || !existsSync(join(folder, 'token'))) return undefined;
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (!URL.canParse(server)) throw new CredentialsError('invalid', 'KUBERNETES_SERVICE_HOST and _PORT are no address');
  const token = new ReReadFile(join(folder, 'token'));
  const authority = new ReReadFile(join(folder, 'ca.crt'));
  token.read();
  return {
    cluster: () => ({ server, authority: authority.read() }),
    credential: async () => ({ token: token.read() }),
    refresh: () => {
      token.forget();
      authority.forget();
    },
    headers: {},
  };
}
