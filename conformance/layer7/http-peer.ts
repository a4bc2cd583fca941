import { isIPv6 } from 'node:net';
import { z } from 'zod';
import type { MadeCertificate } from '../../testkit/make-certificate.ts';
import { PlaceChild } from '../datapath/place-child.ts';
import type { Place } from '../lab/netns/index.ts';
import type { PeerRequest } from './http-peer-program.ts';

const PROGRAM = new URL('http-peer-program.ts', import.meta.url);

/** What a server of a lab saw of a request; it answers with that. */
const seenView = z.object({
  server: z.string(),
  /** The address that the connection came from. */
  from: z.string(),
  method: z.string(),
  path: z.string(),
  host: z.string(),
  headers: z.record(z.string(), z.unknown()),
});
const paddedView = z.object({ padding: z.string() });
const answerView = z.object({
  status: z.int(),
  body: z.string(),
  headers: z.record(z.string(), z.unknown()),
  /** Counts the connections that this client has opened. */
  connection: z.int(),
});
const outcomeView = z.union([answerView, z.object({ failed: z.string() })]);

export type HttpSeen = z.infer<typeof seenView>;
export type HttpAnswer = z.infer<typeof answerView>;
/** `failed`: the error's code, such as `ECONNRESET`; `timeout` where nothing came of it in time. */
export type HttpOutcome = z.infer<typeof outcomeView>;

export interface HttpAsk {
  readonly to: string;
  /** Default: 80. */
  readonly port?: number;
  /** Default: `GET`. */
  readonly method?: string;
  /** Default: `/`. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of a method that has one: Node sends it unframed with others, such as the default. */
  readonly body?: string;
  /** How much padding the answer is to have. Default: 0. */
  readonly answerBytes?: number;
  /** Default: `http1`. */
  readonly protocol?: 'http1' | 'http2';
  /** Asks by TLS, and believes whoever answers. Default: without TLS. */
  readonly tls?: { readonly serverName: string };
  /** Requests of one name share a connection. Default: a connection for this request. */
  readonly connection?: string;
  /** Default: 2000. */
  readonly timeoutMs?: number;
}

const loadView = z.object({
  /** How many requests came to what, as {@link wordOf} says it. */
  outcomes: z.record(z.string(), z.int()),
  /** Those without an answer but a proxy's; milliseconds since 1970. */
  failures: z.array(z.object({ from: z.number(), until: z.number(), word: z.string() })),
});
/** What came of many requests. */
export type HttpLoad = z.infer<typeof loadView>;

function wholeAsk({ to, port = 80, method = 'GET', path = '/', headers = {}, body = '', answerBytes = 0, ...rest }: HttpAsk) {
  const { protocol = 'http1', connection = '', timeoutMs = 2_000, tls } = rest;
  const authority = `${isIPv6(to) ? `[${to}]` : to}:${port}`;
  return { authority, method, path, headers, body, answerBytes, protocol, connection, timeoutMs, tls } as const;
}

/** A program in a place of a lab that serves HTTP, and asks. */
export class HttpPeer implements AsyncDisposable {
  readonly #child: PlaceChild<PeerRequest>;
  readonly #name: string;

  constructor(place: Place) {
    this.#name = place.name;
    this.#child = new PlaceChild<PeerRequest>(place, PROGRAM);
  }

  /** Serves both versions of HTTP on a port of all addresses; resolves when it listens. In HTTP/1, `/together/<count>` is answered when so many ask for it. */
  async serve(port = 80): Promise<void> {
    await this.#child.ask({ kind: 'serve', name: this.#name, port });
  }

  /** The same by TLS. */
  async serveTls({ certificate, privateKey }: Pick<MadeCertificate, 'certificate' | 'privateKey'>, port = 443): Promise<void> {
    await this.#child.ask({ kind: 'serve', name: this.#name, port, tls: { certificate, privateKey } });
  }

  async ask(ask: HttpAsk): Promise<HttpOutcome> {
    return outcomeView.parse(await this.#child.ask({ kind: 'ask', ...wholeAsk(ask) }));
  }

  /** Sends so many bytes and has as many sent back. @returns `whole`, or what came of it instead */
  async exchange(bytes: number, ask: Omit<HttpAsk, 'method' | 'body' | 'answerBytes'>): Promise<string> {
    const outcome = await this.ask({ timeoutMs: 10_000, ...ask, method: 'POST', body: 'x'.repeat(bytes), answerBytes: bytes });
    if ('failed' in outcome || outcome.status !== 200) return wordOf(outcome);
    const { length } = paddedView.parse(JSON.parse(outcome.body)).padding;
    return length === bytes ? 'whole' : `${length} of ${bytes}`;
  }

  /**
   * Asks the same again and again until it is told to end, one request after the other.
   * @param load a name for it
   */
  async begin(load: string, ask: HttpAsk, pauseMs = 5): Promise<void> {
    await this.#child.ask({ kind: 'begin', load, ask: wholeAsk(ask), pauseMs });
  }

  async end(load: string): Promise<HttpLoad> {
    return loadView.parse(await this.#child.ask({ kind: 'end', load }));
  }

  /** How many requests it has been asked, since it serves. */
  async served(): Promise<readonly HttpSeen[]> {
    return z.array(seenView).parse(await this.#child.ask({ kind: 'served' }));
  }

  /** How many connections were opened to a port that it serves on. */
  async accepted(port: number): Promise<number> {
    return z.int().parse(await this.#child.ask({ kind: 'accepted', port }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}

/** What a server saw of a request that it answered. @throws where it was not one that answered */
export function seenBy(outcome: HttpOutcome): HttpSeen {
  if ('failed' in outcome || outcome.status !== 200) throw new Error(`no server answered: ${JSON.stringify(outcome)}`);
  return seenView.parse(JSON.parse(outcome.body));
}

/** The status, or why there is none. */
export function wordOf(outcome: HttpOutcome): string {
  return 'failed' in outcome ? outcome.failed : String(outcome.status);
}
