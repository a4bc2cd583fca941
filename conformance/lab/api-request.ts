import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Credentials } from './credentials.ts';

const TIMEOUT_MS = 30_000;

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

export interface ApiRequest {
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
}

/** One request to an API server, on a connection of its own. */
export async function requestApi(
  url: string,
  credentials: Credentials,
  { method = 'GET', body, contentType }: ApiRequest = {},
): Promise<ApiAnswer> {
  const { authority: ca, certificate: cert, privateKey: key } = credentials;
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  // Node sends a body with DELETE only where its length is given.
  const headers = payload && { 'content-type': contentType ?? 'application/json', 'content-length': payload.length };
  return await new Promise((resolve, reject) => {
    const sent = request(url, { method, ...(headers && { headers }), ca, cert, key, agent: false, timeout: TIMEOUT_MS }, (response) => {
      text(response).then((received) => resolve({ status: response.statusCode ?? 0, body: received }), reject);
    });
    sent.on('error', reject).on('timeout', () => sent.destroy(new Error(`no answer from ${url} in ${TIMEOUT_MS} ms`)));
    sent.end(payload);
  });
}
