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
  const headers = body === undefined ? {} : { 'content-type': contentType ?? 'application/json' };
  return await new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, ca, cert, key, agent: false, timeout: TIMEOUT_MS }, (response) => {
      text(response).then((received) => resolve({ status: response.statusCode ?? 0, body: received }), reject);
    });
    sent.on('error', reject).on('timeout', () => sent.destroy(new Error(`no answer from ${url} in ${TIMEOUT_MS} ms`)));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
