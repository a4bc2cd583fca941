import { once } from 'node:events';
import { createServer as createHttp1Server, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  createServer as createH2cServer,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';

export interface BackendOptions {
  /** What it says it is, in every answer. */
  readonly name: string;
  /**
   * `http1`, `h2c` (HTTP/2 only, without TLS), `any` (whichever of the two the client begins with), or `https` (HTTP/2 and
   * HTTP/1.1 by ALPN, with `tls`). Default `http1`.
   */
  readonly protocol?: 'http1' | 'h2c' | 'any' | 'https';
  /** PEM. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Default: one that is free. */
  readonly port?: number;
}

/** What a backend answers, as JSON: the request as it arrived. */
export interface EchoedRequest {
  readonly backend: string;
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly httpVersion: string;
  /** Names in lower case; HTTP/2's pseudo headers among them. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
  /** The names agreed upon in the handshake; null without TLS. */
  readonly tls: { readonly sni: string | null; readonly alpn: string | null } | null;
}

/** Under load, what arrived long ago is of no interest and would fill memory. */
const MAX_RECEIVED = 1_000;

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;
type AnyServer = Server | Http2Server | Http2SecureServer;

/**
 * A real HTTP server that says who it is. It echoes the request line, headers and body as JSON ({@link EchoedRequest}), and
 * its name in `x-backend`. How it answers is asked for in the query:
 *
 * - `delay=MS` waits before it answers, `status=CODE` answers with that status;
 * - `chunks=N&every=MS` answers with N lines, one every MS milliseconds;
 * - `reset` breaks the connection instead of answering.
 *
 * A WebSocket (not over HTTP/2) first receives the echo as a message, then each of its own messages.
 *
 *     await using backend = await Backend.start({ name: 'a' });
 */
export class Backend implements AsyncDisposable {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly #server: AnyServer;
  readonly #connections: Set<Socket>;
  readonly #arrivals: Arrivals;

  private constructor(name: string, address: string, port: number, server: AnyServer, connections: Set<Socket>, arrivals: Arrivals) {
    this.name = name;
    this.address = address;
    this.port = port;
    this.#server = server;
    this.#connections = connections;
    this.#arrivals = arrivals;
  }

  /** @throws if the port is taken */
  static async start(options: BackendOptions): Promise<Backend> {
    const { name, address = '127.0.0.1' } = options;
    const server = createServer(options);
    const connections = trackConnections(server);
    const arrivals = new Arrivals();
    server.on('request', (request: Request, response: Response) => void answer(name, request, response, arrivals));
    serveWebSockets(name, server, arrivals);
    server.listen(options.port ?? 0, address);
    await once(server, 'listening');
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('not a TCP server');
    return new Backend(name, address, bound.port, server, connections, arrivals);
  }

  /** The requests that arrived, oldest first; of many, the last thousand or two. */
  get received(): readonly EchoedRequest[] {
    return this.#arrivals.last;
  }

  /** How many requests arrived. */
  get requestCount(): number {
    return this.#arrivals.count;
  }

  /** Stops listening and breaks all connections, as a process that ends. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }
}

class Arrivals {
  count = 0;
  last: EchoedRequest[] = [];

  add(request: EchoedRequest): void {
    this.count += 1;
    this.last.push(request);
    if (this.last.length >= 2 * MAX_RECEIVED) this.last = this.last.slice(-MAX_RECEIVED);
  }
}

/**
 * The first to close an idle connection is never the backend: a request may be on its way to it. One that has not had any yet is idle too, and
 * Envoy keeps such connections for later.
 */
const NEVER_CLOSES = { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 };

function createServer({ protocol = 'http1', tls }: BackendOptions): AnyServer {
  if (protocol === 'http1') return createHttp1Server(NEVER_CLOSES);
  if (protocol === 'h2c') return createH2cServer();
  if (protocol === 'any') return createAnyServer();
  if (tls === undefined) throw new Error('a backend that speaks https needs a key and a certificate');
  return createSecureServer({ ...tls, allowHTTP1: true });
}

const HTTP2_PREFACE = 'PRI ';

/** Without TLS there is no telling but by the first bytes. */
function createAnyServer(): Server {
  const server = createHttp1Server(NEVER_CLOSES);
  const h2c = createH2cServer().on('request', (request, response) => void server.emit('request', request, response));
  const http1 = server.listeners('connection');
  server.removeAllListeners('connection').on('connection', (socket: Socket) => {
    socket.once('readable', () => {
      const first: unknown = socket.read();
      if (!Buffer.isBuffer(first)) return;
      socket.unshift(first);
      if (first.toString('latin1').startsWith(HTTP2_PREFACE)) h2c.emit('connection', socket);
      else for (const listener of http1) listener.call(server, socket);
    });
  });
  return server;
}

function trackConnections(server: AnyServer): Set<Socket> {
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.on('error', () => {}).on('close', () => connections.delete(socket));
  });
  return connections;
}

async function answer(name: string, request: Request, response: Response, arrivals: Arrivals): Promise<void> {
  // Not as a URL: a path such as // is none.
  const query = new URLSearchParams((request.url ?? '').split('?').slice(1).join('?'));
  const echo = describe(name, request, await text(request).catch(() => ''));
  arrivals.add(echo);
  // Not a reason to live on for: the server is, as long as it listens.
  await sleep(Number(query.get('delay') ?? 0), undefined, { ref: false });
  if (query.has('reset')) {
    request.socket.destroy();
    return;
  }
  response.statusCode = Number(query.get('status') ?? 200);
  response.setHeader('x-backend', name);
  const chunks = Number(query.get('chunks') ?? 0);
  if (chunks > 0) {
    Readable.from(lines(chunks, Number(query.get('every') ?? 0))).pipe(response);
    return;
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(echo));
}

async function* lines(count: number, everyMs: number): AsyncGenerator<string> {
  for (let index = 1; index <= count; index += 1) {
    yield `chunk ${index} of ${count}\n`;
    await sleep(everyMs, undefined, { ref: false });
  }
}

function serveWebSockets(name: string, server: AnyServer, arrivals: Arrivals): void {
  const webSockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const echo = describe(name, request, '');
      arrivals.add(echo);
      webSocket.send(JSON.stringify(echo));
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }));
    });
  });
}

function describe(backend: string, request: Request, body: string): EchoedRequest {
  const headers: Record<string, string | readonly string[]> = {};
  for (const [key, value] of Object.entries(request.headers)) if (value !== undefined) headers[key] = value;
  const { socket } = request;
  const tls = socket instanceof TLSSocket ? { sni: socket.servername || null, alpn: socket.alpnProtocol || null } : null;
  return { backend, method: request.method ?? '', url: request.url ?? '', httpVersion: request.httpVersion, headers, body, tls };
}
