import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { ApiError, type ApiErrorCode, type ApiRequest } from '../kube/index.ts';

const CODES: Readonly<Record<number, ApiErrorCode>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  422: 'invalid',
  429: 'too-many-requests',
};

/** A client with the credentials of a kubeconfig of the lab, as plain as can be: what it tells is what the API server said. */
export class KubeconfigClient {
  readonly #server: string;
  readonly #agent: Agent;

  constructor(path: string) {
    const { clusters, users } = JSON.parse(readFileSync(path, 'utf8'));
    const decode = (base64: string) => Buffer.from(base64, 'base64');
    this.#server = clusters[0].cluster.server;
    this.#agent = new Agent({
      keepAlive: true,
      ca: decode(clusters[0].cluster['certificate-authority-data']),
      cert: decode(users[0].user['client-certificate-data']),
      key: decode(users[0].user['client-key-data']),
    });
  }

  async request({ method = 'GET', path, query = {}, body, contentType = 'application/json', signal }: ApiRequest): Promise<unknown> {
    signal?.throwIfAborted();
    const sent = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    // Node sends a body with DELETE only where its length is given.
    const headers = sent && { 'content-type': contentType, 'content-length': sent.length };
    const url = `${this.#server}${path}?${new URLSearchParams(query)}`;
    const { status, answer } = await new Promise<{ status: number; answer: string }>((resolve, reject) => {
      const outgoing = request(url, { method, agent: this.#agent, ...(headers && { headers }), ...(signal && { signal }) }, (incoming) => {
        text(incoming).then((answer) => resolve({ status: incoming.statusCode ?? 0, answer }), reject);
      });
      outgoing.on('error', (cause) =>
        reject(
          signal?.aborted ? signal.reason : new ApiError('unreachable', `no answer from ${this.#server}: ${cause.message}`, { cause }),
        ),
      );
      outgoing.end(sent);
    });
    if (status >= 200 && status < 300) return JSON.parse(answer);
    const { message, reason } = readStatus(answer);
    const code = reason === 'AlreadyExists' ? 'already-exists' : (CODES[status] ?? 'server-error');
    throw new ApiError(code, message, { status });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function readStatus(answer: string): { readonly message: string; readonly reason?: string } {
  try {
    return JSON.parse(answer);
  } catch {
    return { message: answer };
  }
}
