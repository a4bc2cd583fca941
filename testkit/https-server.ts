import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { makeCertificate } from './make-certificate.ts';
import { freePort } from './ports.ts';

export interface HttpsServerOptions {
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** Default: one that is free. */
  readonly port?: number;
  /** In PEM; default: one of its own making, for `localhost`, which trusts itself. */
  readonly certificate?: { readonly certificate: string; readonly privateKey: string };
}

/** A server of HTTP/1.1 over TLS. What it has open ends with it. */
export class HttpsServer implements AsyncDisposable {
  /** `https://ADDRESS:PORT` */
  readonly url: string;
  /** Its certificate, in PEM. */
  readonly authority: string;
  /** The name in it. */
  readonly serverName = 'localhost';
  readonly #server: Server;

  private constructor(server: Server, url: string, authority: string) {
    this.url = url;
    this.authority = authority;
    this.#server = server;
  }

  static async start(
    handle: (request: IncomingMessage, response: ServerResponse) => void,
    options: HttpsServerOptions = {},
  ): Promise<HttpsServer> {
    const { certificate, privateKey } = options.certificate ?? makeCertificate({ names: ['localhost'] });
    const server = createServer({ cert: certificate, key: privateKey }, handle);
    const { address = '127.0.0.1', port = await freePort() } = options;
    server.listen(port, address);
    await once(server, 'listening');
    return new HttpsServer(server, `https://${address}:${port}`, certificate);
  }

  /** Breaks what is open. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
