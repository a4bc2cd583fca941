import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { type ApiClient, ApiError, type ApiErrorCode, type ApiRequest } from '../kube/index.ts';

const CODES: Readonly<Record<number, ApiErrorCode>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  410: 'gone',
  422: 'invalid',
};

/** Speaks to an API server as the holder of a token, plainly: a connection for each request. For tests of what is not the client. */
export class TokenApiClient implements ApiClient {
  readonly #url: string;
  readonly #authority: string;
  readonly #token: string;

  constructor(url: string, authority: string, token: string) {
    this.#url = url;
    this.#authority = authority;
    this.#token = token;
  }

  async request(wanted: ApiRequest): Promise<unknown> {
    return JSON.parse(await text(await this.#send(wanted)));
  }

  async *stream(wanted: ApiRequest): AsyncIterable<unknown> {
    for await (const line of createInterface({ input: await this.#send(wanted) })) yield JSON.parse(line);
  }

  async close(): Promise<void> {}

  async #send({ method = 'GET', path, query, body, contentType = 'application/json', signal }: ApiRequest): Promise<IncomingMessage> {
    const url = new URL(path, this.#url);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': contentType };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(url, { method, headers, ca: this.#authority, agent: false, ...(signal && { signal }) }, resolve);
      sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
    const { statusCode = 0 } = response;
    if (statusCode < 300) return response;
    const said = await text(response);
    const conflict = said.includes('AlreadyExists') ? 'already-exists' : 'conflict';
    throw new ApiError(statusCode === 409 ? conflict : (CODES[statusCode] ?? 'server-error'), said, { status: statusCode });
  }
}
