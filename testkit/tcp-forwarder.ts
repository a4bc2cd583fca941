import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

const LOOPBACK = '127.0.0.1';

/** One port of loopback in front of several, as the Service of a Deployment: a connection goes to one that can be reached. */
export class TcpForwarder implements AsyncDisposable {
  readonly port: number;
  /** By the port that they go to. */
  readonly #connections = new Map<Socket, number>();
  readonly #server: Server;
  #targets: readonly number[] = [];
  #turn = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (socket: Socket) => void this.#forward(socket));
  }

  static async start(): Promise<TcpForwarder> {
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, LOOPBACK);
    await once(server, 'listening');
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('not a TCP server');
    return new TcpForwarder(server, bound.port);
  }

  /** Where new connections go, in turn. Those that go elsewhere are broken. */
  setTargets(...ports: readonly number[]): void {
    this.#targets = ports;
    for (const [socket, port] of this.#connections) if (!ports.includes(port)) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#connections.keys()) socket.destroy();
    await closed;
  }

  async #forward(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    this.#turn += 1;
    const { length } = this.#targets;
    for (let index = 0; index < length; index += 1) {
      const port = this.#targets[(this.#turn + index) % length] ?? 0;
      const other = await tryToConnect(port);
      if (other === undefined) continue;
      if (!this.#targets.includes(port)) other.destroy();
      this.#connections.set(socket, port);
      socket.on('close', () => other.destroy());
      other.on('error', () => {}).on('close', () => socket.destroy());
      socket.once('close', () => this.#connections.delete(socket));
      socket.pipe(other).pipe(socket);
      return;
    }
    socket.destroy();
  }
}

async function tryToConnect(port: number): Promise<Socket | undefined> {
  const socket = connect(port, LOOPBACK);
  try {
    await once(socket, 'connect');
    return socket;
  } catch {
    return undefined;
  }
}
