import type { PeerCertificate } from 'node:tls';
import { callStream, callUnary } from '../../testkit/grpc-echo.ts';
import { presentedCertificate } from '../../testkit/http-request.ts';
import { type IngressManifest, ingressManifest } from '../../testkit/manifest-objects.ts';
import { talkByWebSocket } from '../../testkit/web-socket-talk.ts';
import { type Ask, type Reply, send } from './exchange.ts';
import { differenceOf, type Expected } from './expectation.ts';
import { patiently } from './patience.ts';
import type { ObjectName, Target } from './platform.ts';
import type { World } from './world.ts';

/** So many right answers in a row are taken as the state of every node, and not as chance on the way to it. */
const IN_A_ROW = 12;

/** An Ingress of a scenario, and what is asked of it. */
export class ServedIngress {
  readonly name: string;
  readonly namespace: string;
  readonly #world: World;
  #target: Target | undefined;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.namespace = world.namespace;
  }

  get object(): ObjectName {
    return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace: this.namespace, name: this.name };
  }

  /** Waits until it is served. */
  async served(): Promise<Target> {
    this.#target = await this.#world.site.untilServed(this.object);
    return this.#target;
  }

  /** Where it is, or was, served. */
  async target(): Promise<Target> {
    return this.#target ?? (await this.served());
  }

  /** Sends its requests to where another Ingress is served, as for one that must not have an address. */
  reachedLike(target: Target): this {
    this.#target = target;
    return this;
  }

  /** Makes it what it is in another form, and does not wait. */
  async update(options: IngressManifest): Promise<void> {
    await this.#world.apply(ingressManifest(this.name, options));
  }

  async remove(): Promise<void> {
    await this.#world.site.remove(this.object);
  }

  /** The URL that a redirect to HTTPS leads to: with the port, unless it is the usual one. */
  async secureUrl(host: string, path: string): Promise<string> {
    const { httpsPort } = await this.target();
    return `https://${host}${httpsPort === 443 ? '' : `:${httpsPort}`}${path}`;
  }

  async send(url: string, ask: Ask = {}): Promise<Reply> {
    const target = await this.target();
    this.#world.countRequest();
    return await send(target, url, ask);
  }

  /** One request, one answer. @throws if the answer is another */
  async answers(url: string, expected: Expected, ask: Ask = {}): Promise<Reply> {
    const reply = await this.send(url, ask).catch((cause: unknown) => {
      throw new Error(`${url}: ${messageOf(cause)}`, { cause });
    });
    const difference = differenceOf(reply, expected);
    if (difference !== undefined) throw new Error(`${url}: ${difference}`);
    return reply;
  }

  /** A request for each URL. */
  async answersAll(cases: Readonly<Record<string, Expected>>, ask: Ask = {}): Promise<void> {
    for (const [url, expected] of Object.entries(cases)) await this.answers(url, expected, ask);
  }

  /** Asks until the answer is right many times in a row. @throws the last difference after 30 s */
  async becomes(url: string, expected: Expected, ask: Ask = {}): Promise<void> {
    await patiently(async () => {
      for (let index = 0; index < IN_A_ROW; index += 1) await this.answers(url, expected, ask);
    });
  }

  /** Asks until TLS or the connection is refused many times in a row. */
  async becomesRefused(url: string, ask: Ask = {}): Promise<void> {
    await patiently(async () => {
      for (let index = 0; index < IN_A_ROW; index += 1) await this.refuses(url, ask);
    });
  }

  /** Asks until the certificate of a server name is this one, many times in a row, and each time for an answer, which must be right. */
  async becomesCertified(serverName: string, fingerprint256: string, expected: Expected): Promise<void> {
    let failure: unknown;
    await patiently(async () => {
      for (let index = 0; index < IN_A_ROW; index += 1) {
        await this.answers(`https://${serverName}/`, expected).catch((error: unknown) => {
          failure ??= error;
        });
        const presented = await this.certificate(serverName);
        if (presented.fingerprint256 !== fingerprint256) throw new Error('the old certificate is still presented');
      }
    });
    if (failure !== undefined) throw failure;
  }

  /** One request that fails before there is an answer. @throws if there is one */
  async refuses(url: string, ask: Ask = {}): Promise<void> {
    let reply: Reply;
    try {
      reply = await this.send(url, ask);
    } catch {
      return; // As it should be.
    }
    throw new Error(`${url}: answered ${reply.status}, but should have been refused`);
  }

  /** How many requests each pod of a Service answers, of so many. @throws if any is not answered by it */
  async shares(url: string, service: string, count: number): Promise<ReadonlyMap<string, number>> {
    const shares = new Map<string, number>();
    for (let index = 0; index < count; index += 1) {
      const { echo } = await this.answers(url, service);
      const pod = echo?.pod ?? '';
      shares.set(pod, (shares.get(pod) ?? 0) + 1);
    }
    return shares;
  }

  /** The certificate that is presented for a server name. */
  async certificate(serverName: string): Promise<PeerCertificate> {
    const { address, httpsPort } = await this.target();
    this.#world.countRequest();
    return await presentedCertificate({ address, port: httpsPort, serverName });
  }

  /** The names in that certificate. */
  async certificateNames(serverName: string): Promise<string> {
    return (await this.certificate(serverName)).subjectaltname ?? '';
  }

  async webSocket(host: string, path: string, texts: readonly string[], ca?: string) {
    const { address, httpPort, httpsPort } = await this.target();
    this.#world.countRequest();
    return await talkByWebSocket({ address, port: ca ? httpsPort : httpPort, host, path, ...(ca && { ca }) }, texts);
  }

  async grpcUnary(host: string, text: string, ca?: string): Promise<string> {
    const { address, httpPort, httpsPort } = await this.target();
    this.#world.countRequest();
    return await callUnary({ address, port: ca ? httpsPort : httpPort, host, ...(ca && { ca }) }, text);
  }

  async grpcStream(host: string, texts: readonly string[]): Promise<readonly string[]> {
    const { address, httpPort } = await this.target();
    this.#world.countRequest();
    return await callStream({ address, port: httpPort, host }, texts);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
