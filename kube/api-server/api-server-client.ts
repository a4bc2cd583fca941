import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import type { ConnectionOptions } from 'node:tls';
import { errorOfStatus, retryAfter } from './answer-error.ts';
import type { ApiClient, ApiRequest } from './api-client.ts';
import { ApiError } from './api-error.ts';
import type { Access, Cluster, Credential } from './credentials.ts';
import { decodeJson, decodeJsonLines } from './json-lines.ts';

export interface ApiClientOptions {
  /** How long an answer may take to begin, and to go on, in milliseconds; default 30 s. */
  readonly answerWithinMs?: number;
  /**
   * How long a stream may be silent before its peer counts as dead, in milliseconds; default 150 s. API servers send a
   * bookmark about once a minute to who asks for them; ending a silent stream that is alive costs one request.
   */
  readonly streamSilenceMs?: number;
  /** How it calls itself to the server, whose audit log tells clients of one account apart by it; default `sluice`. */
  readonly userAgent?: string;
}

/** How to open a connection to the API server. */
export interface ApiConnection {
  /** `https://10.0.0.1:6443`, without a slash at its end. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly tls: ConnectionOptions;
}

interface Attempt {
  readonly answer: IncomingMessage;
  /** As which it was made. */
  readonly credential: Credential;
}

const KEEP_ALIVE_MS = 15_000;

/** An API server over HTTPS. Connections are kept and reused; a 401 makes it read its credentials again and try once more. */
export class ApiServerClient implements ApiClient {
  readonly #access: Access;
  readonly #answerWithinMs: number;
  readonly #streamSilenceMs: number;
  readonly #userAgent: string;
  #agent: { readonly key: string; readonly agent: Agent } | undefined;

  constructor(access: Access, { answerWithinMs = 30_000, streamSilenceMs = 150_000, userAgent = 'sluice' }: ApiClientOptions = {}) {
    this.#access = access;
    this.#answerWithinMs = answerWithinMs;
    this.#streamSilenceMs = streamSilenceMs;
    this.#userAgent = userAgent;
  }

  async request(request: ApiRequest): Promise<unknown> {
    const answer = await this.#send(request);
    const body = await this.#receive(request, answer, text(answer));
    return decodeJson(body);
  }

  async *stream(request: ApiRequest): AsyncGenerator<unknown, void, undefined> {
    const answer = await this.#send(request);
    answer.setTimeout(this.#streamSilenceMs, () => answer.destroy(new Error(`nothing came for ${this.#streamSilenceMs} ms`)));
    try {
      yield* decodeJsonLines(answer);
    } catch (cause) {
      throw failureOf(request, cause);
    } finally {
      answer.destroy();
    }
  }

  /** What a connection of another kind, such as a WebSocket, needs to be let in as this client is. */
  async connection(): Promise<ApiConnection> {
    const { cluster, credential } = await this.#identity();
    const headers = { ...this.#access.headers, ...authorizationOf(credential), 'user-agent': this.#userAgent };
    return { server: cluster.server.replace(/\/+$/, ''), headers, tls: tlsOptions(cluster, credential) };
  }

  async close(): Promise<void> {
    this.#agent?.agent.destroy();
    this.#agent = undefined;
  }

  /** An answer that is 2xx. */
  async #send(request: ApiRequest): Promise<IncomingMessage> {
    const { answer, credential } = await this.#attempt(request);
    if (answer.statusCode !== 401) return await this.#accepted(request, answer);
    answer.resume();
    this.#access.refresh(credential);
    return await this.#accepted(request, (await this.#attempt(request)).answer);
  }

  async #accepted(request: ApiRequest, answer: IncomingMessage): Promise<IncomingMessage> {
    const { statusCode = 0, headers } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    const body = await this.#receive(request, answer, text(answer));
    throw errorOfStatus(statusCode, decodeStatus(body), request.path, retryAfter(headers));
  }

  async #receive(request: ApiRequest, answer: IncomingMessage, body: Promise<string>): Promise<string> {
    answer.setTimeout(this.#answerWithinMs, () => answer.destroy(new Error(`the answer stopped for ${this.#answerWithinMs} ms`)));
    try {
      return await body;
    } catch (cause) {
      throw failureOf(request, cause);
    }
  }

  async #attempt(request: ApiRequest): Promise<Attempt> {
    request.signal?.throwIfAborted();
    const { cluster, credential } = await this.#identity();
    const sent = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    let timer: NodeJS.Timeout | undefined;
    try {
      // Certificates that cannot be read are thrown, not told as an event.
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        const outgoing = httpsRequest(urlOf(cluster.server, request), {
          method: request.method ?? 'GET',
          agent: this.#agentFor(cluster, credential),
          headers: { ...this.#access.headers, 'user-agent': this.#userAgent, ...headersOf(request, credential, sent) },
          ...(request.signal && { signal: request.signal }),
        });
        timer = setTimeout(() => outgoing.destroy(new Error(`no answer in ${this.#answerWithinMs} ms`)), this.#answerWithinMs);
        outgoing.on('response', resolve).on('error', reject).end(sent);
      });
      return { answer, credential };
    } catch (cause) {
      throw failureOf(request, cause);
    } finally {
      clearTimeout(timer);
    }
  }

  async #identity(): Promise<{ readonly cluster: Cluster; readonly credential: Credential }> {
    try {
      return { cluster: this.#access.cluster(), credential: await this.#access.credential() };
    } catch (cause) {
      throw new ApiError('unauthorized', `no credentials: ${cause instanceof Error ? cause.message : 'unknown'}`, { cause });
    }
  }

  /** Connections belong to the certificates that they were made with. */
  #agentFor(cluster: Cluster, credential: Credential): Agent {
    const options = tlsOptions(cluster, credential);
    const key = JSON.stringify(options);
    if (this.#agent?.key === key) return this.#agent.agent;
    // Requests on the former go on; what is idle ends with its agent's memory of it.
    for (const sockets of Object.values(this.#agent?.agent.freeSockets ?? {})) for (const socket of sockets ?? []) socket.destroy();
    const agent = new Agent({ ...options, keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS });
    this.#agent = { key, agent };
    return agent;
  }
}

function urlOf(server: string, { path, query }: ApiRequest): URL {
  const url = new URL(`${server.replace(/\/+$/, '')}${path}`);
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
  return url;
}

function tlsOptions(cluster: Cluster, credential: Credential): ConnectionOptions {
  return {
    ...(cluster.authority !== undefined && { ca: cluster.authority }),
    ...(credential.certificate !== undefined && { cert: credential.certificate }),
    ...(credential.key !== undefined && { key: credential.key }),
    ...(cluster.serverName !== undefined && { servername: cluster.serverName }),
    rejectUnauthorized: cluster.insecure !== true,
  };
}

function authorizationOf({ basic, token }: Credential): Record<string, string> {
  if (token !== undefined) return { authorization: `Bearer ${token}` };
  return basic ? { authorization: `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}` } : {};
}

function headersOf(request: ApiRequest, credential: Credential, sent: Buffer | undefined): Record<string, string | number> {
  return {
    accept: request.accept ?? 'application/json',
    ...authorizationOf(credential),
    // Node sends a body with DELETE only where its length is given.
    ...(sent && { 'content-type': request.contentType ?? 'application/json', 'content-length': sent.length }),
  };
}

function failureOf(request: ApiRequest, cause: unknown): unknown {
  if (request.signal?.aborted) return request.signal.reason;
  if (cause instanceof ApiError) return cause;
  return new ApiError('unreachable', `${request.path}: ${cause instanceof Error ? cause.message : 'no answer'}`, { cause });
}

function decodeStatus(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
