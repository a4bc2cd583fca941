import { Agent, createServer as createHttpServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type ClientHttp2Session, connect, createServer as createHttp2Server } from 'node:http2';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { z } from 'zod';
import { answerParent } from '../../testkit/answer-parent.ts';

// Serves HTTP, and asks, in the network that it was started in.

const askView = z.object({
  kind: z.literal('ask'),
  authority: z.string(),
  method: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  /** Of a padding in the answer. */
  answerBytes: z.int(),
  protocol: z.enum(['http1', 'http2']),
  /** Absent: without TLS. */
  tls: z.object({ serverName: z.string() }).optional(),
  /** Empty: one of its own. */
  connection: z.string(),
  timeoutMs: z.int(),
});
const requestView = z.discriminatedUnion('kind', [
  askView,
  z.object({
    kind: z.literal('serve'),
    name: z.string(),
    port: z.int(),
    /** In PEM; absent: without TLS. */
    tls: z.object({ certificate: z.string(), privateKey: z.string() }).optional(),
  }),
  z.object({ kind: z.literal('served') }),
  z.object({ kind: z.literal('accepted'), port: z.int() }),
  /** Asks again and again, one request after the other, until it is told to stop; a name is for one of these. */
  z.object({ kind: z.literal('begin'), load: z.string(), ask: askView.omit({ kind: true }), pauseMs: z.int() }),
  z.object({ kind: z.literal('end'), load: z.string() }),
]);
export type PeerRequest = z.input<typeof requestView>;
type Ask = z.infer<typeof askView>;
type Serve = Extract<z.infer<typeof requestView>, { kind: 'serve' }>;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly connection: number;
}

/** A header that says how much an answer is to have besides. */
const ANSWER_BYTES = 'x-answer-bytes';
const MAPPED = '::ffff:';
const served: unknown[] = [];
/** How many connections, by the port. */
const accepted = new Map<number, number>();
const agents = new Map<string, Agent>();
const sessions = new Map<string, ClientHttp2Session>();
let connections = 0;
const numbers = new WeakMap<object, number>();

answerParent(requestView, async (request) => {
  switch (request.kind) {
    case 'serve':
      return await serve(request);
    case 'served':
      return served;
    case 'accepted':
      return accepted.get(request.port) ?? 0;
    case 'ask':
      return await outcomeOf(request);
    case 'begin':
      return void begin(request.load, { kind: 'ask', ...request.ask }, request.pauseMs);
    case 'end':
      return await end(request.load);
  }
});

/** Requests for `/together/<count>` that wait until there are so many. */
const waiting: (() => void)[] = [];

function together(path: string, answer: () => void): void {
  waiting.push(answer);
  const count = Number(/^\/together\/(\d+)$/.exec(path)?.[1] ?? 0);
  if (waiting.length >= count) for (const each of waiting.splice(0)) each();
}

/** HTTP/2 is told by its first bytes; everything else is HTTP/1. */
async function serve({ name: server, port, tls }: Serve): Promise<void> {
  const note = (socket: Socket | undefined, method: string, path: string, host: string, headers: IncomingHttpHeaders) => {
    const address = socket?.remoteAddress ?? '';
    const from = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
    const seen = { server, from, method, path, host, headers };
    served.push(seen);
    return JSON.stringify({ ...seen, padding: 'x'.repeat(Number(headers[ANSWER_BYTES] ?? 0)) });
  };
  const http1 = createHttpServer({ keepAliveTimeout: 0 }, (request, response) => {
    const { socket, method = '', url = '', headers } = request;
    request.resume().on('end', () => together(url, () => response.end(note(socket, method, url, headers.host ?? '', headers))));
  });
  const http2 = createHttp2Server((request, response) => {
    const { stream, method, url, headers, authority } = request;
    request.resume().on('end', () => response.end(note(stream.session?.socket, method, url, authority, headers)));
  });
  const take = (socket: Socket) => {
    socket.on('error', () => {});
    socket.once('readable', () => {
      const first: Buffer | null = socket.read();
      if (first === null) return;
      socket.unshift(first);
      (first.toString('latin1').startsWith('PRI * HTTP/2') ? http2 : http1).emit('connection', socket);
    });
  };
  const listener = tls
    ? createTlsServer({ cert: tls.certificate, key: tls.privateKey, ALPNProtocols: ['h2', 'http/1.1'] }, take)
    : createServer(take);
  listener.on('connection', () => accepted.set(port, (accepted.get(port) ?? 0) + 1));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  listener.once('error', reject).listen({ port, host: '::' }, resolve);
  await promise;
}

interface Load {
  /** How many requests came to what: a status, or why there is none. */
  readonly outcomes: Map<string, number>;
  /** Those that had no answer but a proxy's; milliseconds since 1970. */
  readonly failures: { readonly from: number; readonly until: number; readonly word: string }[];
  isEnding: boolean;
  readonly ended: Promise<void>;
}

const loads = new Map<string, Load>();

function begin(name: string, ask: Ask, pauseMs: number): void {
  const ended = Promise.withResolvers<void>();
  const load: Load = { outcomes: new Map(), failures: [], isEnding: false, ended: ended.promise };
  loads.set(name, load);
  void askOn(load, ask, pauseMs).then(ended.resolve, ended.reject);
}

async function askOn(load: Load, ask: Ask, pauseMs: number): Promise<void> {
  while (!load.isEnding) {
    const from = Date.now();
    const outcome = await outcomeOf(ask);
    const word = 'failed' in outcome ? outcome.failed : String(outcome.status);
    load.outcomes.set(word, (load.outcomes.get(word) ?? 0) + 1);
    const why = 'failed' in outcome ? word : outcome.status >= 500 ? `${word} ${outcome.body}` : undefined;
    if (why !== undefined) load.failures.push({ from, until: Date.now(), word: why });
    await sleep(pauseMs);
  }
}

async function end(name: string): Promise<unknown> {
  const load = loads.get(name);
  if (!load) throw new Error(`${name} was not begun`);
  load.isEnding = true;
  await load.ended;
  return { outcomes: Object.fromEntries(load.outcomes), failures: load.failures };
}

async function outcomeOf({ headers, ...rest }: Ask): Promise<Answer | { readonly failed: string }> {
  try {
    const ask = { ...rest, headers: { ...headers, ...(rest.answerBytes > 0 && { [ANSWER_BYTES]: String(rest.answerBytes) }) } };
    return await (ask.protocol === 'http1' ? askHttp1(ask) : askHttp2(ask));
  } catch (error) {
    const { code } = z.object({ code: z.string() }).safeParse(error).data ?? { code: String(error) };
    return { failed: code };
  }
}

const CUT_OFF = Object.assign(new Error('the connection ended'), { code: 'ECONNRESET' });
const TIMED_OUT = Object.assign(new Error('nothing came of it in time'), { code: 'timeout' });

function numberOf(connection: object): number {
  const known = numbers.get(connection) ?? ++connections;
  numbers.set(connection, known);
  return known;
}

/** Whom a client of TLS names; who answers is believed. */
function tlsOptions({ tls }: Ask) {
  return tls && { servername: tls.serverName, rejectUnauthorized: false };
}

function newAgent({ tls }: Ask): Agent {
  const options = { keepAlive: true, maxSockets: 1 };
  return tls ? new HttpsAgent(options) : new Agent(options);
}

async function askHttp1(ask: Ask): Promise<Answer> {
  const { authority, method, path, headers, body, connection, timeoutMs } = ask;
  const agent = connection === '' ? false : (agents.get(connection) ?? newAgent(ask));
  if (agent) agents.set(connection, agent);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const url = new URL(`http://${authority}`);
  const port = Number(url.port || 80);
  const target = { host: url.hostname.replace(/^\[|\]$/g, ''), port, method, path, headers, agent };
  const request = (ask.tls ? httpsRequest : httpRequest)({ ...target, ...tlsOptions(ask) }, (response) => {
    const chunks: Buffer[] = [];
    // Afterwards it may be another request's, or nobody's.
    const number = numberOf(response.socket);
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const answer = { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), headers: response.headers };
      resolve({ ...answer, connection: number });
    });
  });
  const timer = setTimeout(() => request.destroy(TIMED_OUT), timeoutMs);
  request.on('error', reject).end(body);
  return await promise.finally(() => clearTimeout(timer));
}

/** One that ends is replaced by the next request; what was asked on it hears of that by itself. */
function openSession(ask: Ask): ClientHttp2Session {
  const { authority, tls } = ask;
  return connect(`${tls ? 'https' : 'http'}://${authority}`, tlsOptions(ask)).on('error', () => {});
}

async function askHttp2(ask: Ask): Promise<Answer> {
  const { method, path, headers, body, connection, timeoutMs } = ask;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const known = connection === '' ? undefined : sessions.get(connection);
  const session = known && !known.closed && !known.destroyed ? known : openSession(ask);
  session.once('error', reject);
  if (connection !== '') sessions.set(connection, session);
  const { host, ...others } = headers;
  const named = { ':method': method, ':path': path, ...(host !== undefined && { ':authority': host }) };
  const stream = session.request({ ...named, ...others }, { endStream: body === '' });
  const timer = setTimeout(() => {
    reject(TIMED_OUT);
    session.destroy();
  }, timeoutMs);
  let status = 0;
  let answered: Readonly<Record<string, unknown>> = {};
  const chunks: Buffer[] = [];
  stream.on('response', ({ ':status': code, ...rest }) => {
    status = code ?? 0;
    answered = rest;
  });
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', reject);
  stream.on('end', () => {
    // Where the connection was cut off first there is nothing but an end.
    if (status === 0) reject(CUT_OFF);
    else resolve({ status, body: Buffer.concat(chunks).toString(), headers: answered, connection: numberOf(session) });
  });
  if (body !== '') stream.end(body);
  return await promise.finally(() => {
    clearTimeout(timer);
    session.off('error', reject);
    if (connection === '') session.close();
  });
}
