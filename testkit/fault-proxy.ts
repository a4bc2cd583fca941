import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Credentials } from '../conformance/lab/credentials.ts';
import type { ApiClientOptions, ApiServerClient } from '../kube/index.ts';
import { apiClientOf } from './api-client.ts';
import { HttpsServer, type HttpsServerOptions } from './https-server.ts';
import { answerStatus } from './scripted-api-server.ts';

/** What happens to one request. */
export type Fault =
  /** The API server does not see it. */
  | { readonly kind: 'answer'; readonly status: number; readonly retryAfterSeconds?: number }
  /** The connection ends before there is an answer. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** As a load balancer does whose servers are away for a moment. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }
  /** Each event of a watch waits so long for the one before it to have gone. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Each event of a watch comes twice. */
  | { readonly kind: 'duplicate' }
  /** Each two events of a watch that come together change places. */
  | { readonly kind: 'reorder' }
  /**
   * After so many lines: `cut` resets the connection in the middle of the next; `end` ends the answer in good order; `expire` does so
   * with a 410 as a last event; `garbage` sends a line that is no JSON. An answer that is no watch is one line.
   */
  | { readonly kind: 'cut' | 'end' | 'expire' | 'garbage'; readonly afterLines: number };

export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly isWatch: boolean;
}

const EXPIRED = {
  type: 'ERROR',
  object: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410, message: '' },
};
/** So long a line waits for another to change places with. */
const COMPANION_WITHIN_MS = 50;

/** An API server, and who asks it: without a certificate, whoever asks the proxy. */
export interface ProxyTarget {
  readonly url: string;
  readonly credentials: Pick<Credentials, 'authority'> & Partial<Credentials>;
}

interface ToldEvents {
  otherwise: number;
}

/** Stands before an API server, and does to requests what a test asks for. */
export class FaultProxy implements AsyncDisposable {
  readonly #https: HttpsServer;
  readonly #upstream: Agent;
  readonly #faults: Map<string, number>;
  readonly #told: ToldEvents;

  private constructor(https: HttpsServer, upstream: Agent, faults: Map<string, number>, told: ToldEvents) {
    this.#https = https;
    this.#upstream = upstream;
    this.#faults = faults;
    this.#told = told;
  }

  /** @param decide is asked for each request; undefined lets it pass */
  static async start(
    target: ProxyTarget,
    decide: (request: ProxiedRequest) => Fault | undefined,
    options: HttpsServerOptions = {},
  ): Promise<FaultProxy> {
    const { authority: ca, certificate: cert, privateKey: key } = target.credentials;
    const upstream = new Agent({ ca, cert, key, keepAlive: true });
    const faults = new Map<string, number>();
    const told = { otherwise: 0 };
    const https = await HttpsServer.start((incoming, response) => {
      const url = new URL(incoming.url ?? '/', target.url);
      const fault = decide({ method: incoming.method ?? '', path: url.pathname, isWatch: url.searchParams.has('watch') });
      if (fault) faults.set(fault.kind, (faults.get(fault.kind) ?? 0) + 1);
      void proxy(incoming, response, url, upstream, fault, told);
    }, options);
    return new FaultProxy(https, upstream, faults, told);
  }

  /** How often what was done. */
  get faults(): ReadonlyMap<string, number> {
    return this.#faults;
  }

  /** How many events came late, twice, or after a later one. */
  get eventsToldOtherwise(): number {
    return this.#told.otherwise;
  }

  /** Breaks what is open, so that faults befall what is asked again. */
  dropConnections(): void {
    this.#https.dropConnections();
  }

  client(options?: ApiClientOptions): ApiServerClient {
    const { url: server, authority, serverName } = this.#https;
    return apiClientOf({ server, authority, serverName }, undefined, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#https[Symbol.asyncDispose]();
    this.#upstream.destroy();
  }
}

async function proxy(
  incoming: IncomingMessage,
  response: ServerResponse,
  url: URL,
  agent: Agent,
  fault: Fault | undefined,
  told: ToldEvents,
): Promise<void> {
  if (fault?.kind === 'answer') {
    const headers = fault.retryAfterSeconds === undefined ? undefined : { 'retry-after': String(fault.retryAfterSeconds) };
    answerStatus(response, fault.status, 'a fault that a test asked for', headers);
    return;
  }
  if (fault?.kind === 'reset') {
    incoming.socket.destroy();
    return;
  }
  if (fault?.kind === 'delay') await sleep(fault.delayMs);
  if (fault?.kind === 'hold') await fault.until;
  const { host: _, ...headers } = incoming.headers;
  const outgoing = httpsRequest(url, { method: incoming.method, headers, agent });
  outgoing.on('error', () => response.destroy());
  response.on('close', () => outgoing.destroy());
  outgoing.on('response', (answer) => {
    const { 'content-length': length, ...kept } = answer.headers;
    const whole = fault === undefined || fault.kind === 'delay' || fault.kind === 'hold';
    response.writeHead(answer.statusCode ?? 502, whole && length !== undefined ? { ...kept, 'content-length': length } : kept);
    response.flushHeaders();
    if (whole) answer.on('error', () => response.destroy()).pipe(response);
    else passLines(answer, response, fault, told).catch(() => response.destroy());
  });
  incoming.pipe(outgoing);
}

async function passLines(answer: IncomingMessage, response: ServerResponse, fault: Fault, told: ToldEvents): Promise<void> {
  if (fault.kind === 'reorder') {
    await passReordered(answer, response, told);
    return;
  }
  let passed = 0;
  for await (const line of linesOf(answer)) {
    if ('afterLines' in fault && passed >= fault.afterLines) {
      disturb(fault.kind, line, response);
      return;
    }
    passed += 1;
    if (fault.kind === 'slow' || fault.kind === 'duplicate') told.otherwise += 1;
    if (fault.kind === 'slow') await sleep(fault.delayMs);
    response.write(fault.kind === 'duplicate' ? `${line}\n${line}\n` : `${line}\n`);
  }
  response.end();
}

function disturb(kind: Fault['kind'], line: string, response: ServerResponse): void {
  if (kind === 'cut') response.write(line.slice(0, line.length / 2), () => response.destroy());
  else if (kind === 'garbage') response.end(`}${line}\n`);
  else if (kind === 'expire') response.end(`${JSON.stringify(EXPIRED)}\n`);
  else response.end();
}

async function passReordered(answer: IncomingMessage, response: ServerResponse, told: ToldEvents): Promise<void> {
  let held: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const release = () => {
    if (held !== undefined) response.write(`${held}\n`);
    held = undefined;
  };
  for await (const line of linesOf(answer)) {
    clearTimeout(timer);
    if (held === undefined) {
      held = line;
      timer = setTimeout(release, COMPANION_WITHIN_MS);
    } else {
      // Both at once, so that no break of the connection can come between them.
      response.write(`${line}\n${held}\n`);
      told.otherwise += 1;
      held = undefined;
    }
  }
  clearTimeout(timer);
  release();
  response.end();
}

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
