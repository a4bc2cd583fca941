import type { ApiAnswer, ApiRequest } from './api-request.ts';
import { LabError } from './lab-error.ts';

export interface TokenOptions {
  /** Default: the API server's own. */
  readonly audiences?: readonly string[];
  /** In seconds, at least 600. Default: 3600. */
  readonly expirationSeconds?: number;
}

type Request = (path: string, request?: ApiRequest) => Promise<ApiAnswer>;

/**
 * A token by the TokenRequest interface, of a service account that is created if it does not exist.
 * https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
 * @throws LabError `refused`
 */
export async function makeServiceAccountToken(request: Request, namespace: string, name: string, options: TokenOptions): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const created = await request(path, { method: 'POST', body: { metadata: { name } } });
  if (created.status !== 201 && created.status !== 409) throw new LabError('refused', created.body);
  const spec = { audiences: options.audiences ?? [], expirationSeconds: options.expirationSeconds ?? 3600 };
  const answer = await request(`${path}/${name}/token`, { method: 'POST', body: { spec } });
  if (answer.status !== 201) throw new LabError('refused', answer.body);
  const { status }: { readonly status: { readonly token: string } } = JSON.parse(answer.body);
  return status.token;
}
