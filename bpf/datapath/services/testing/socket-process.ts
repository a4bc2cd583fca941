// Does with sockets what it is told over IPC, in the cgroup and network namespace that it was started in; see socket-client.ts.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Answer, Request } from './socket-client.ts';

/** For what is expected to be dropped: nothing that works takes so long. */
const PATIENCE_MS = 2_000;

const sockets = new Map<string, Socket>();

process.on('message', (message) => {
  const { id, request } = message as { id: number; request: Request };
  const reply = (answer: Answer) => process.send?.({ id, answer });
  run(request).then(reply, (error) => reply({ error: error.code ?? String(error) }));
});
process.on('disconnect', () => process.exit());

async function run(request: Request): Promise<Answer> {
  switch (request.kind) {
    case 'serve':
      return await serve(request.address, request.port);
    case 'tcp':
      return await askByTcp(request.address, request.port);
    case 'tcp-many':
      return await askManyTimes(request.address, request.port, request.times);
    case 'udp':
      return await askByUdp(request.socket, request.address, request.port);
    case 'udp-connect':
      return await connectUdp(request.socket, request.address, request.port);
    case 'udp-connected':
      return await ask(socketOf(request.socket), (socket, done) => socket.send('?', done));
    case 'close':
      return close(request.socket);
  }
}

/** Answers by TCP and UDP with its own address. */
async function serve(address: string, port: number): Promise<Answer> {
  const name = `${address} ${port}`;
  const server = createServer((socket) => socket.on('error', () => {}).end(name)).listen(port, address);
  await once(server, 'listening');
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (_, from) => socket.send(name, from.port, from.address));
  socket.bind(port, address);
  await once(socket, 'listening');
  return {};
}

async function askByTcp(address: string, port: number): Promise<Answer> {
  const socket = connect({ port, host: address });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PATIENCE_MS) });
    const peer = `${socket.remoteAddress} ${socket.remotePort}`;
    const chunks = await socket.toArray();
    return { backend: Buffer.concat(chunks).toString(), peer };
  } finally {
    socket.destroy();
  }
}

/** How often each backend answered, and each error came. */
async function askManyTimes(address: string, port: number, times: number): Promise<Answer> {
  const counts: Record<string, number> = {};
  for (let turn = 0; turn < times; turn += 1) {
    const answer: Answer = await askByTcp(address, port).catch((error) => ({ error: String(error.code) }));
    const what = answer.error ?? answer.backend ?? '';
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return { counts };
}

async function askByUdp(name: string, address: string, port: number): Promise<Answer> {
  const socket = sockets.get(name) ?? createSocket(address.includes(':') ? 'udp6' : 'udp4');
  sockets.set(name, socket);
  return await ask(socket, (to, done) => to.send('?', port, address, done));
}

async function connectUdp(name: string, address: string, port: number): Promise<Answer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  sockets.set(name, socket);
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error) => (error ? reject(error) : resolve());
    socket.connect(port, address, done as () => void);
  });
  const peer = socket.remoteAddress();
  return { peer: `${peer.address} ${peer.port}` };
}

async function ask(socket: Socket, send: (socket: Socket, done: (error: Error | null) => void) => void): Promise<Answer> {
  const answered = once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) });
  answered.catch(() => {});
  await new Promise<void>((resolve, reject) => send(socket, (error) => (error ? reject(error) : resolve())));
  const [message, from] = await answered;
  return { backend: String(message), peer: `${from.address} ${from.port}` };
}

function socketOf(name: string): Socket {
  const socket = sockets.get(name);
  if (!socket) throw new Error(`there is no socket ${name}`);
  return socket;
}

function close(name: string): Answer {
  socketOf(name).close();
  sockets.delete(name);
  return {};
}
