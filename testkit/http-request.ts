import { once } from 'node:events';
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import type { EchoedRequest } from './backend.ts';

export interface RequestOptions {
  /** Default 127.0.0.1. */
  readonly address?: string;
  readonly port: number;
  /** Sent as Host or `:authority`, as it is. */
  readonly host: string;
  /** Sent as it is; default `/`. */
  readonly path?: string;
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
  /** Default: no TLS. */
  readonly tls?: TlsOptions;
  /** Sent on the connection before anything else, as a PROXY protocol header is. */
  readonly preamble?: string | Buffer;
  /** The address of this machine that the connection comes from. */
  readonly localAddress?: string;
}

export interface TlsOptions {
  /** Server name (SNI); default: the host without its port; empty for none. */
  readonly serverName?: string;
  /** PEM of whom to trust; without it any certificate does. */
  readonly ca?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The name of the backend that answered; absent where Envoy itself did. */
  readonly backend?: string;
}

/** A request over HTTP/1.1 on a connection of its own. @throws what the connection or TLS fails with */
export async function requestHttp1(options: RequestOptions): Promise<Answer> {
  const { host, path = '/', method = 'GET', headers, body } = options;
  const socket = await connect(options, ['http/1.1']);
  try {
    const sent = request({ createConnection: () => socket, path, method, headers: { ...headers, host }, setHost: false });
    sent.end(body);
    const [response] = await once(sent, 'response');
    return answerOf(Number(response.statusCode), response.headers, await text(response));
  } finally {
    socket.destroy();
  }
}

/** The same over HTTP/2: with TLS by ALPN, else by prior knowledge. */
export async function requestHttp2(options: RequestOptions): Promise<Answer> {
  const { host, path = '/', method = 'GET', headers, body } = options;
  const socket = await connect(options, ['h2']);
  const session = connectHttp2('http://127.0.0.1', { createConnection: () => socket });
  try {
    const scheme = options.tls ? 'https' : 'http';
    const stream = session.request({ ...headers, ':authority': host, ':path': path, ':method': method, ':scheme': scheme });
    stream.end(body);
    const [received] = await Promise.race([once(stream, 'response'), failureOf(session)]);
    return answerOf(Number(received[':status']), received, await text(stream));
  } finally {
    session.destroy();
    socket.destroy();
  }
}

/** What the backend says that it received. */
export function echoOf({ body }: Answer): EchoedRequest {
  return JSON.parse(body);
}

/** The certificate that is presented. @throws what the handshake fails with */
export async function presentedCertificate(options: {
  readonly address?: string;
  readonly port: number;
  readonly serverName: string;
}): Promise<PeerCertificate> {
  const { serverName, ...place } = options;
  const socket = await openTls({ ...place, host: serverName, tls: {} }, ['http/1.1']);
  try {
    return socket.getPeerCertificate();
  } finally {
    socket.destroy();
  }
}

async function failureOf(session: ClientHttp2Session): Promise<never> {
  const [error] = await once(session, 'error');
  throw error;
}

function answerOf(status: number, headers: IncomingHttpHeaders, body: string): Answer {
  const backend = headers['x-backend'];
  return { status, headers, body, ...(typeof backend === 'string' && { backend }) };
}

async function connect(options: RequestOptions, protocols: readonly string[]): Promise<Socket> {
  return options.tls === undefined ? await openTcp(options) : await openTls(options, protocols);
}

async function openTcp({ address = '127.0.0.1', port, preamble, localAddress }: RequestOptions): Promise<Socket> {
  const socket = connectTcp({ host: address, port, ...(localAddress && { localAddress }) });
  await once(socket, 'connect');
  if (preamble !== undefined) socket.write(preamble);
  return socket;
}

async function openTls(options: RequestOptions, protocols: readonly string[]): Promise<TLSSocket> {
  const { serverName = options.host.replace(/:\d+$/, ''), ca } = options.tls ?? {};
  const trust = ca === undefined ? { rejectUnauthorized: false } : { ca };
  const tcp = await openTcp(options);
  const socket = connectTls({ socket: tcp, servername: serverName, ALPNProtocols: [...protocols], ...trust });
  try {
    await Promise.race([once(socket, 'secureConnect'), closeOf(tcp)]);
  } catch (error) {
    tcp.destroy();
    throw error;
  }
  return socket;
}

async function closeOf(socket: Socket): Promise<never> {
  await once(socket, 'close');
  throw new Error('the connection was closed in the handshake');
}
