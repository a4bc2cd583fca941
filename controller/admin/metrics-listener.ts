import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Registry } from 'prom-client';
import type { Identify, MutualTlsCredentials } from '../../xds-server/serve/index.ts';
import { SharedText } from './shared-text.ts';

export interface MetricsAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

export interface MetricsListenerOptions extends MetricsAddress {
  /** By which clients are known. */
  readonly credentials: MutualTlsCredentials;
  /** Who of these may ask. */
  readonly identify: Identify;
  /** What is told, by its path; who asks for what fails hears that it does, and not how. */
  readonly pages: Readonly<Record<string, () => Promise<string>>>;
}

export interface MetricsListener {
  readonly port: number;
  close(): Promise<void>;
}

/** However often others ask, they take no more of this process than that. */
const MAX_AGE_MS = 1_000;
/** A client that neither reads nor writes has its connection that long. */
const IDLE_MS = 60_000;
const HEADERS_WITHIN_MS = 10_000;

/** Tells others of metrics, and of nothing else, by mutual TLS. @throws Error with a code, such as `EADDRINUSE` */
export async function listenForMetrics({ host, port, credentials, identify, pages }: MetricsListenerOptions): Promise<MetricsListener> {
  const texts = new Map(Object.entries(pages).map(([path, read]) => [path, new SharedText(read)]));
  const limits = { headersTimeout: HEADERS_WITHIN_MS, requestTimeout: HEADERS_WITHIN_MS };
  const server = createServer({ ...credentials.options(), ...limits }, (request, response) => {
    void answer(request, response, identify, texts);
  });
  server.timeout = IDLE_MS;
  using unfollowed = new DisposableStack();
  unfollowed.defer(credentials.follow(server));
  server.listen(port, host);
  await once(server, 'listening');
  // Where one connection cannot be had, the next may be.
  server.on('error', () => {});
  const following = unfollowed.move();
  const close = async () => {
    following.dispose();
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return { port: portOf(server.address()), close };
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address === 'object' && address) return address.port;
  throw new TypeError('a server that listens has a port');
}

async function answer(
  { socket, method, url = '' }: IncomingMessage,
  response: ServerResponse,
  identify: Identify,
  texts: ReadonlyMap<string, SharedText>,
): Promise<void> {
  const say = (status: number, text: string, type = 'text/plain; charset=utf-8') =>
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
  const client = identify(socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined);
  if (typeof client !== 'string') return void say(403, `${client.message}\n`);
  if (method !== 'GET') return void say(405, 'nothing can be changed here\n');
  const text = texts.get(url.split('?')[0] ?? '');
  if (!text) return void say(404, 'no such page\n');
  try {
    say(200, await text.get(MAX_AGE_MS), Registry.PROMETHEUS_CONTENT_TYPE);
  } catch {
    say(503, 'not to be had at present\n');
  }
}
