import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import type { TargetAddress } from './target.ts';

export interface Answer {
  readonly status: number;
  /** Empty where the answer is Envoy's own. */
  readonly backend: string;
  readonly body: string;
}

/** A client that never tries twice, and leaves a connection when the server asks it to. */
export interface LoadClient {
  readonly name: string;
  /** @throws whatever the connection throws */
  send(address: TargetAddress): Promise<Answer>;
  close(): void;
}

/** Much shorter than any server keeps a connection that is idle or asked to end, so that client and server never close at the same time. */
const IDLE_MS = 500;
const LOOPBACK = '127.0.0.1';

/** @param ca PEM of every certificate that may be shown */
export function http1Client(name: string, ca: readonly string[], { keepAlive }: { readonly keepAlive: boolean }): LoadClient {
  const http = new HttpAgent({ keepAlive, timeout: IDLE_MS });
  const https = new HttpsAgent({ keepAlive, timeout: IDLE_MS, ca: [...ca] });
  return {
    name,
    async send({ scheme, address = LOOPBACK, port, host, path }) {
      const options = { host: address, port, path, headers: { host } };
      const request =
        scheme === 'http' ? httpRequest({ ...options, agent: http }) : httpsRequest({ ...options, agent: https, servername: host });
      const [response]: IncomingMessage[] = await once(request.end(), 'response');
      if (!response) throw new Error('no response');
      return { status: response.statusCode ?? 0, backend: String(response.headers['x-backend'] ?? ''), body: await text(response) };
    },
    close() {
      http.destroy();
      https.destroy();
    },
  };
}

/** One connection for a port and server name, as browsers have. Without TLS it begins with HTTP/2 at once. */
export function http2Client(name: string, ca: readonly string[]): LoadClient {
  const sessions = new Map<string, ClientHttp2Session>();

  function sessionFor({ scheme, address = LOOPBACK, port, host }: TargetAddress): ClientHttp2Session {
    const key = scheme === 'http' ? `${address} ${port}` : `${address} ${port} ${host}`;
    const known = sessions.get(key);
    if (known) return known;
    const session = connect(`${scheme}://${address}:${port}`, { ca: [...ca], servername: host });
    const leave = () => {
      if (sessions.get(key) === session) sessions.delete(key);
    };
    sessions.set(key, session);
    session.on('goaway', leave).on('close', leave).on('error', leave);
    session.setTimeout(IDLE_MS, () => {
      // On a busy machine that takes a while; the request that it is for would fail.
      if (session.connecting) return;
      leave();
      session.close();
    });
    return session;
  }

  return {
    name,
    async send(address) {
      const { scheme, host, path } = address;
      const stream = sessionFor(address).request({ ':scheme': scheme, ':authority': host, ':path': path });
      const [headers] = await Promise.race([once(stream, 'response'), endOf(stream)]);
      return { status: Number(headers[':status']), backend: String(headers['x-backend'] ?? ''), body: await text(stream) };
    },
    close() {
      for (const session of sessions.values()) session.destroy();
      sessions.clear();
    },
  };
}

/** A connection that the server just closes is no error to Node, and no response ever comes. */
async function endOf(stream: ClientHttp2Stream): Promise<never> {
  await once(stream, 'close');
  throw new Error('the connection was closed without an answer');
}
