// The process of a peer: see stream-peer.ts.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { answerParent } from '../../../testkit/answer-parent.ts';

const taskView = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('serve'), port: z.int() }),
  z.object({ kind: z.literal('served') }),
  z.object({
    kind: z.literal('connect'),
    name: z.string(),
    host: z.string(),
    port: z.int(),
    localPort: z.int().optional(),
    patienceMs: z.number(),
  }),
  z.object({ kind: z.literal('ask'), name: z.string(), line: z.string(), patienceMs: z.number() }),
  z.object({ kind: z.literal('finish'), name: z.string() }),
  z.object({ kind: z.literal('ended'), name: z.string() }),
  z.object({ kind: z.literal('close'), name: z.string() }),
]);
export type PeerTask = z.infer<typeof taskView>;

/** A connection, and how it ended. */
interface Stream {
  readonly socket: Socket;
  readonly received: { text: string };
  end: string | undefined;
}

/** Before an answer that is to wait. */
const WAIT_MS = 300;
const served = { connections: 0, bytes: 0 };
const streams = new Map<string, Stream>();

answerParent(taskView, (task): unknown => {
  switch (task.kind) {
    case 'serve':
      return serve(task.port);
    case 'served':
      return served;
    case 'connect':
      return open(task);
    case 'ask':
      return ask(streamOf(task.name), task.line, task.patienceMs);
    case 'finish':
      return finish(streamOf(task.name));
    case 'ended':
      return ended(streamOf(task.name));
    case 'close':
      return void streamOf(task.name).socket.destroy();
  }
});

async function serve(port: number): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    served.connections += 1;
    socket
      .on('error', () => {})
      .on('data', (bytes) => {
        served.bytes += bytes.byteLength;
      });
    createInterface({ input: socket })
      .on('error', () => {})
      .on('line', (line) => {
        if (line === 'leave') socket.end();
        else setTimeout(() => socket.write(`${answerTo(socket, line)}\n`), line.startsWith('wait') ? WAIT_MS : 0);
      });
    socket.on('end', () => socket.end('bye\n'));
  });
  await once(server.listen(port, '::'), 'listening');
}

function answerTo({ remoteAddress = '', remotePort }: Socket, line: string): string {
  const [word = '', size] = line.split(' ');
  if (word === 'who') return `${remoteAddress.replace('::ffff:', '')} ${remotePort}`;
  return word === 'send' ? 'x'.repeat(Number(size)) : line;
}

async function open({ name, host, port, localPort, patienceMs }: Extract<PeerTask, { kind: 'connect' }>): Promise<string> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true, ...(localPort !== undefined && { localPort }) });
  const stream: Stream = { socket, received: { text: '' }, end: undefined };
  streams.set(name, stream);
  socket.setEncoding('latin1');
  socket.on('data', (text) => {
    stream.received.text += text;
  });
  socket.on('end', () => {
    stream.end ??= 'end';
  });
  socket.on('error', (error) => {
    stream.end = 'code' in error ? String(error.code) : error.message;
  });
  const isConnected = await until(socket, () => !socket.connecting, patienceMs);
  if (isConnected && stream.end === undefined) return 'connected';
  socket.destroy();
  return stream.end ?? 'timeout';
}

async function ask(stream: Stream, line: string, patienceMs: number): Promise<string> {
  stream.received.text = '';
  stream.socket.write(`${line}\n`);
  const isAnswered = await until(stream.socket, () => stream.received.text.endsWith('\n') || stream.end !== undefined, patienceMs);
  if (!isAnswered) return 'timeout';
  return stream.received.text.endsWith('\n') ? stream.received.text.trimEnd() : (stream.end ?? '');
}

/** Says that it has no more to say, and listens to the end. */
async function finish(stream: Stream): Promise<string> {
  stream.received.text = '';
  stream.socket.end();
  await until(stream.socket, () => stream.end !== undefined);
  return stream.end === 'end' ? stream.received.text.trimEnd() : (stream.end ?? '');
}

async function ended(stream: Stream): Promise<string> {
  await until(stream.socket, () => stream.end !== undefined);
  return stream.end ?? '';
}

/** Whether it came true in time. */
async function until(socket: Socket, isDone: () => boolean, patienceMs = 30_000): Promise<boolean> {
  const patience = AbortSignal.timeout(patienceMs);
  while (!isDone()) {
    const either = new AbortController();
    const signal = AbortSignal.any([patience, either.signal]);
    try {
      await Promise.race(['connect', 'data', 'end', 'error', 'close'].map((event) => once(socket, event, { signal })));
    } catch {
      if (patience.aborted) return false;
    } finally {
      either.abort();
    }
  }
  return true;
}

function streamOf(name: string): Stream {
  const stream = streams.get(name);
  if (!stream) throw new Error(`there is no connection ${name}`);
  return stream;
}
