import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api-server/api-client.ts';
import { ApiError } from '../api-server/api-error.ts';
import { CertificateError } from './certificate-error.ts';
import { CERTIFICATE_REQUESTS, type CertificateRequest, hasCondition, readCertificateRequest } from './certificate-request.ts';

export interface CertificateWish {
  /** PEM, PKCS #10. */
  readonly request: string;
  readonly signerName: string;
  readonly usages: readonly string[];
  /** At least 600. */
  readonly expirationSeconds?: number;
  readonly signal?: AbortSignal;
}

const FIRST_LOOK_MS = 250;
const LONGEST_MS = 10_000;
const NAME_DIGITS = 32;

/**
 * Asks the API server for a certificate and waits until the signer has answered, however long that takes.
 * The object is named after what is asked for, so asking again for the same goes on with what is there.
 * @returns PEM
 * @throws CertificateError, ApiError, or the signal's reason
 */
export async function requestCertificate(client: ApiClient, wish: CertificateWish): Promise<string> {
  const { signal } = wish;
  const wished = JSON.stringify([wish.request, wish.usages]);
  const name = `sluice-${createHash('sha256').update(wished).digest('hex').slice(0, NAME_DIGITS)}`;
  await create(client, name, wish);
  for (let delay = FIRST_LOOK_MS; ; delay = Math.min(delay * 2, LONGEST_MS)) {
    const found = await look(client, name, signal);
    if (hasCondition(found, 'Denied', 'Failed')) throw new CertificateError('refused', reasonOf(found));
    if (found.status.certificate !== '') return found.status.certificate;
    await sleep(delay * (1 + Math.random()) * 0.5, undefined, { signal });
  }
}

async function create(client: ApiClient, name: string, wish: CertificateWish): Promise<void> {
  const { request, signerName, usages, expirationSeconds, signal } = wish;
  const body = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: { request: Buffer.from(request).toString('base64'), signerName, usages, ...(expirationSeconds && { expirationSeconds }) },
  };
  try {
    await client.request({ method: 'POST', path: CERTIFICATE_REQUESTS, body, ...(signal && { signal }) });
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'already-exists') throw error;
  }
}

async function look(client: ApiClient, name: string, signal?: AbortSignal): Promise<CertificateRequest> {
  try {
    const found = readCertificateRequest(await client.request({ path: `${CERTIFICATE_REQUESTS}/${name}`, ...(signal && { signal }) }));
    if (found) return found;
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'not-found') throw error;
    throw new CertificateError('forgotten', `the CertificateSigningRequest ${name} was deleted before it was answered`);
  }
  throw new CertificateError('unreadable', `the API server's answer is no CertificateSigningRequest`);
}

function reasonOf({ metadata, status }: CertificateRequest): string {
  const said = status.conditions.find(({ type }) => type === 'Denied' || type === 'Failed');
  return `the CertificateSigningRequest ${metadata.name} was refused: ${said?.message || said?.reason}`;
}
