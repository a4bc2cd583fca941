import type { ApiClient } from '../api-server/api-client.ts';
import { CertificateError } from './certificate-error.ts';
import { CERTIFICATE_REQUESTS, type CertificateRequest, type ConditionType, readCertificateRequest } from './certificate-request.ts';

export interface Reason {
  /** One word in camel case. */
  readonly reason: string;
  readonly message: string;
}

/**
 * Approves or denies a request, or says that it failed although it was approved. Writes only onto what was read: whoever
 * changed it since goes first.
 * @returns the request as it is now
 * @throws ApiError, `conflict` if it was changed; CertificateError `unreadable`
 */
export async function judgeRequest(
  client: ApiClient,
  request: CertificateRequest,
  type: ConditionType,
  { reason, message }: Reason,
): Promise<CertificateRequest> {
  const { conditions: _, ...rest } = request.status;
  const conditions = [...rawConditions(request), { type, status: 'True', reason, message }];
  return write(client, request, type === 'Failed' ? 'status' : 'approval', { ...encoded(rest), conditions });
}

/** Answers an approved request. @param certificate PEM. Throws as `judgeRequest` does. */
export async function giveCertificate(client: ApiClient, request: CertificateRequest, certificate: string): Promise<CertificateRequest> {
  return write(client, request, 'status', { conditions: rawConditions(request), ...encoded({ certificate }) });
}

async function write(
  client: ApiClient,
  { metadata, raw }: CertificateRequest,
  subresource: 'approval' | 'status',
  status: Readonly<Record<string, unknown>>,
): Promise<CertificateRequest> {
  const path = `${CERTIFICATE_REQUESTS}/${metadata.name}/${subresource}`;
  const written = readCertificateRequest(await client.request({ method: 'PUT', path, body: { ...raw, status } }));
  if (!written) throw new CertificateError('unreadable', `the API server's answer is no CertificateSigningRequest`);
  return written;
}

/** With the fields that are not read. */
function rawConditions({ raw }: CertificateRequest): readonly unknown[] {
  const { status } = raw;
  const conditions = typeof status === 'object' && status !== null && 'conditions' in status ? status.conditions : [];
  return Array.isArray(conditions) ? conditions : [];
}

function encoded({ certificate }: { readonly certificate: string }) {
  return certificate === '' ? {} : { certificate: Buffer.from(certificate).toString('base64') };
}
