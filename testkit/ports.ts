import { createServer, type Server } from 'node:net';

/** Below the ports that the kernel gives to clients, so that no outgoing connection takes one in between. */
const FIRST_PORT = 10_000;
const LAST_PORT = 31_999;
const BLOCK = 100;

interface PortBlock {
  /** Listening on a block's first port is what keeps other test processes out of it; the kernel undoes it at the end. */
  readonly lock: Server;
  next: number;
  readonly end: number;
}

let current: Promise<PortBlock> | undefined;

/**
 * A TCP port of 127.0.0.1 that nothing listens on and that no other test of any process is given, for what cannot choose
 * one itself, such as a listener of Envoy.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    current ??= takeBlock();
    const taken = current;
    const block = await taken;
    if (block.next >= block.end) {
      if (current === taken) current = undefined;
      continue;
    }
    const port = block.next;
    block.next += 1;
    const server = await listen(port);
    if (server === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** So many different ones. */
export async function freePorts(count: number): Promise<readonly number[]> {
  return await Promise.all(Array.from({ length: count }, freePort));
}

async function takeBlock(): Promise<PortBlock> {
  const blocks = Math.floor((LAST_PORT + 1 - FIRST_PORT) / BLOCK);
  const start = Math.floor(Math.random() * blocks);
  for (let index = 0; index < blocks; index += 1) {
    const first = FIRST_PORT + ((start + index) % blocks) * BLOCK;
    const lock = await listen(first);
    if (lock !== undefined) return { lock: lock.unref(), next: first + 1, end: first + BLOCK };
  }
  throw new Error(`no free block of ports between ${FIRST_PORT} and ${LAST_PORT}`);
}

async function listen(port: number): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  return await new Promise((resolve) => {
    server.on('error', () => resolve(undefined));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(server));
  });
}
