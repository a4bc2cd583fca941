import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { Backend, type BackendOptions } from '../../../testkit/backend.ts';

/** A {@link Backend} behind a tap: whatever reaches it is seen byte by byte, whether or not it makes sense to it. */
export class TappedBackend implements AsyncDisposable {
  readonly backend: Backend;
  readonly port: number;
  readonly #server: Server;
  #raw = '';
  #connections = 0;

  private constructor(backend: Backend, server: Server, port: number) {
    this.backend = backend;
    this.#server = server;
    this.port = port;
  }

  static async start(options: BackendOptions = { name: 'pod', protocol: 'any' }): Promise<TappedBackend> {
    const backend = await Backend.start(options);
    const server = createServer((client) => {
      tapped.#connections += 1;
      const target = connect(backend.port, '127.0.0.1');
      client.on('data', (chunk: Buffer) => tapped.#take(chunk));
      client.pipe(target).pipe(client);
      for (const socket of [client, target]) {
        socket.on('error', () => {});
        socket.on('close', () => [client, target].map((each) => each.destroy()));
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not a TCP server');
    const tapped = new TappedBackend(backend, server, address.port);
    return tapped;
  }

  /** How many were opened. */
  get connections(): number {
    return this.#connections;
  }

  /** All bytes since the last call, of all connections. */
  takeRaw(): string {
    const raw = this.#raw;
    this.#raw = '';
    return raw;
  }

  #take(chunk: Buffer): void {
    this.#raw += chunk.toString('latin1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    await this.backend.close();
    await closed;
  }
}
