import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { type Answer, requestHttp1, requestHttp2 } from '../../testkit/http-request.ts';
import type { Target } from './platform.ts';

/** How a request is sent, beside its URL. */
export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Default 1.1. HTTP/2 without TLS is by prior knowledge. */
  readonly version?: '1.0' | '1.1' | '2';
  /** Server name of TLS; default: the host; empty for none. */
  readonly serverName?: string;
  /** PEM of whom to trust; without it any certificate does. */
  readonly ca?: string;
}

/** What an echo server says of the request that it received. */
export interface Echo {
  readonly namespace: string;
  readonly service: string;
  readonly pod: string;
  readonly method: string;
  /** Path and query as they arrived. */
  readonly path: string;
  readonly host: string;
  /** `HTTP/1.1`, `HTTP/2.0`. */
  readonly proto: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Absent where no echo server answered. */
  readonly echo?: Echo;
}

/** A URL whose host and path are sent as they are written. */
export interface Url {
  readonly secure: boolean;
  readonly host: string;
  readonly path: string;
}

export function readUrl(url: string): Url {
  const [, scheme = '', host = '', path = ''] = /^(https?):\/\/([^/?]*)(.*)$/.exec(url) ?? [];
  if (scheme === '') throw new Error(`not a URL: ${url}`);
  return { secure: scheme === 'https', host, path: path === '' ? '/' : path };
}

const TIMEOUT_MS = 10_000;

/** Sends one request on a connection of its own. @throws what the connection or TLS fails with, or when there is no answer in 10 s */
export async function send(target: Target, url: string, ask: Ask = {}): Promise<Reply> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([exchange(target, readUrl(url), ask), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function exchange(target: Target, { secure, host, path }: Url, ask: Ask): Promise<Reply> {
  const { version = '1.1', serverName, ca, ...rest } = ask;
  if (version === '1.0') return await requestHttp10(target, host, path);
  const tls = { ...(serverName !== undefined && { serverName }), ...(ca !== undefined && { ca }) };
  const port = secure ? target.httpsPort : target.httpPort;
  const options = { address: target.address, port, host, path, ...rest, ...(secure && { tls }) };
  return replyOf(version === '2' ? await requestHttp2(options) : await requestHttp1(options));
}

/** Node's client always says 1.1. */
async function requestHttp10({ address, httpPort }: Target, host: string, path: string): Promise<Reply> {
  const socket = connect({ host: address, port: httpPort });
  try {
    await once(socket, 'connect');
    socket.write(`GET ${path} HTTP/1.0\r\nHost: ${host}\r\nUser-Agent: conformance\r\n\r\n`);
    const received = await text(socket);
    const [head = '', ...body] = received.split('\r\n\r\n');
    const [line = '', ...fields] = head.split('\r\n');
    const headers = Object.fromEntries(
      fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()]),
    );
    return replyOf({ status: Number(line.split(' ')[1]), headers, body: body.join('\r\n\r\n') });
  } finally {
    socket.destroy();
  }
}

const headerValues = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

/** The answer of the echo server of ingress-controller-conformance. */
const podEcho = z.object({
  path: z.string(),
  host: z.string(),
  method: z.string(),
  proto: z.string(),
  headers: headerValues,
  namespace: z.string(),
  service: z.string(),
  pod: z.string().default(''),
});

/** The answer of an echo server of the test kit, named `namespace/service/pod`. */
const ownEcho = z.object({ backend: z.string(), method: z.string(), url: z.string(), httpVersion: z.string(), headers: headerValues });

function replyOf({ status, headers, body }: Answer): Reply {
  const echo = readEcho(body);
  return { status, headers, body, ...(echo && { echo }) };
}

export function readEcho(body: string): Echo | undefined {
  const value = decode(body);
  const pod = podEcho.safeParse(value);
  if (pod.success) return { ...pod.data, headers: inLowerCase(pod.data.headers) };
  const own = ownEcho.safeParse(value);
  if (!own.success) return undefined;
  const { backend, method, url, httpVersion } = own.data;
  const [namespace = '', service = '', name = ''] = backend.split('/');
  const headers = inLowerCase(own.data.headers);
  const host = headers[':authority'] ?? headers['host'] ?? '';
  return { namespace, service, pod: name, method, path: url, host, proto: `HTTP/${httpVersion}`, headers };
}

function inLowerCase(headers: z.output<typeof headerValues>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name.toLowerCase(), [values].flat().join(', ')]));
}

function decode(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined; // Not an echo server's answer.
  }
}
