import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuthorityObjects, bundleOf, TrustError } from '../../controller/trust/index.ts';
import type { ApiClient } from '../../kube/index.ts';
import { isNodeName, issueWithKey, type KeyedCertificate, observerProfile } from '../../pki/index.ts';
import { CliError } from '../cli-error.ts';
import { describeFailure } from '../describe-failure.ts';

const DAY_MS = 24 * 3_600_000;
/** What the file of authorities is called, so that nobody else's can be. */
const AUTHORITIES = 'ca';

export interface ObserverWish {
  /** That Sluice is installed in. */
  readonly namespace: string;
  readonly name: string;
  readonly days: number;
}

export interface ObserverCertificate extends KeyedCertificate {
  /** PEM of all that nodes are known by. */
  readonly authorities: string;
}

/** Signs with the authority of a cluster, for who may read it. @throws ApiError, or CliError where there is none */
export async function makeObserverCertificate(client: ApiClient, { namespace, name, days }: ObserverWish): Promise<ObserverCertificate> {
  if (!isNodeName(name)) throw new CliError('usage', `${JSON.stringify(name)} is no name: it may have small letters, digits, "-" and "."`);
  if (name === AUTHORITIES) throw new CliError('usage', `${name}.crt is the file of the authorities: a certificate needs another name`);
  const state = await readAuthority(client, namespace);
  return { ...(await issueWithKey(state.current, observerProfile(name, days * DAY_MS))), authorities: bundleOf(state) };
}

async function readAuthority(client: ApiClient, namespace: string) {
  try {
    const stored = await new AuthorityObjects(client, namespace).read();
    if (stored) return stored.state;
  } catch (cause) {
    if (cause instanceof TrustError) throw new CliError('failed', cause.message, { cause });
    throw cause;
  }
  throw new CliError('failed', `there is no Secret sluice-ca in the namespace ${namespace}: no controller has run there yet`);
}

/** @returns the paths of what it wrote @throws CliError where it cannot, or other authorities stand there */
export function writeObserverCertificate(
  folder: string,
  name: string,
  { certificate, privateKey, authorities }: ObserverCertificate,
): { readonly ca: string; readonly cert: string; readonly key: string } {
  const [ca, cert, key] = [join(folder, `${AUTHORITIES}.crt`), join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  try {
    mkdirSync(folder, { recursive: true });
    requireSame(ca, authorities);
    writeFileSync(ca, authorities);
    writeFileSync(cert, certificate);
    // A file that is there already would keep its mode.
    writeFileSync(`${key}.${process.pid}`, privateKey, { mode: 0o600, flag: 'wx' });
    renameSync(`${key}.${process.pid}`, key);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError('failed', `cannot write to ${folder}: ${describeFailure(cause)}`, { cause });
  }
  return { ca, cert, key };
}

/** The authorities of another cluster, or of something else, are not for us to replace. */
function requireSame(path: string, authorities: string): void {
  if (!existsSync(path) || readFileSync(path, 'utf8') === authorities) return;
  throw new CliError('failed', `${path} holds other authorities than this cluster has now: remove it, or write elsewhere with --out`);
}
