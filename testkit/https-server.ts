import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { makeCertificate } from './make-certificate.ts';
import { freePort } from './ports.ts';

/** A server on a free port of 127.0.0.1, whose certificate is of its own making. What it has open ends with it. */
export class HttpsServer implements AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  /** Of its certificate, which trusts itself, in PEM. */
  readonly authority: string;
  /** The name in it. */
  readonly serverName = 'localhost';
  readonly #server: Server;

  private constructor(server: Server, port: number, authority: string) {
    this.url = `https://127.0.0.1:${port}`;
    this.authority = authority;
    this.#server = server;
  }

  static async start(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<HttpsServer> {
    const { certificate, privateKey } = makeCertificate({ names: ['localhost'] });
    const server = createServer({ cert: certificate, key: privateKey }, handle);
    const port = await freePort();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new HttpsServer(server, port, certificate);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}
