import { createServer, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { z } from 'zod';
import { answerParent } from '../../testkit/answer-parent.ts';

// Serves HTTP, and has many connections that are kept, in the network that it was started in.

const requestView = z.discriminatedUnion('kind', [
  /** Answers at once, but for requests for `/hold`. */
  z.object({ kind: z.literal('serve'), port: z.int() }),
  /** How many requests for `/hold` wait for an answer. */
  z.object({ kind: z.literal('held') }),
  /** Answers these. */
  z.object({ kind: z.literal('release') }),
  /** Opens connections and asks once on each. */
  z.object({ kind: z.literal('open'), to: z.string(), port: z.int(), count: z.int(), path: z.string(), atOnce: z.int() }),
  /** Asks once on each that is open. */
  z.object({ kind: z.literal('ask'), path: z.string(), atOnce: z.int() }),
  /** How many are open. */
  z.object({ kind: z.literal('count') }),
  /** How those came to their end that were not asked when they did. */
  z.object({ kind: z.literal('ended') }),
  z.object({ kind: z.literal('close') }),
]);
export type CrowdRequest = z.input<typeof requestView>;

const TIMEOUT_MS = 60_000;
const held: ServerResponse[] = [];
const open = new Set<Socket>();
const ended: Record<string, number> = {};

answerParent(requestView, async (request) => {
  switch (request.kind) {
    case 'serve':
      return await serve(request.port);
    case 'held':
      return held.length;
    case 'release':
      for (const response of held.splice(0)) response.end('late');
      return undefined;
    case 'open': {
      const { to, port, count, path, atOnce } = request;
      return await tally(Array.from({ length: count }), atOnce, () => opened(to, port, path));
    }
    case 'ask':
      return await tally([...open], request.atOnce, (socket) => answered(socket, request.path));
    case 'count':
      return open.size;
    case 'ended':
      return ended;
    case 'close':
      for (const socket of open) socket.destroy();
      return undefined;
  }
});

async function serve(port: number): Promise<void> {
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    if (request.url === '/hold') held.push(response);
    else response.end('at once');
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen({ port, host: '::', backlog: 4_096 }, resolve);
  await promise;
}

/** How many came to what: a status, or why there was none. */
async function tally<T>(all: readonly T[], atOnce: number, outcomeOf: (one: T) => Promise<string>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const left = all.values();
  const work = async () => {
    for (const one of left) {
      const outcome = await outcomeOf(one);
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return counts;
}

async function opened(to: string, port: number, path: string): Promise<string> {
  const socket = connect({ host: to, port });
  open.add(socket);
  socket.on('close', () => open.delete(socket));
  return await answered(socket, path).finally(() => noteEnd(socket));
}

function noteEnd(socket: Socket): void {
  let how = 'end';
  socket.on('error', (error) => {
    how = codeOf(error);
  });
  socket.on('close', () => {
    ended[how] = (ended[how] ?? 0) + 1;
  });
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.message;
}

async function answered(socket: Socket, path: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  const onData = (data: Buffer) => {
    text += data.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    const [, status, length] = /^HTTP\/1\.1 (\d+).*?\r\ncontent-length: (\d+)/is.exec(text.slice(0, Math.max(end, 0))) ?? [];
    if (status !== undefined && text.length >= end + 4 + Number(length)) resolve(status);
  };
  const onError = (error: Error) => resolve(codeOf(error));
  const onEnd = () => resolve('end');
  const timer = setTimeout(() => {
    resolve('timeout');
    socket.destroy();
  }, TIMEOUT_MS);
  socket.on('data', onData).once('error', onError).on('end', onEnd);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: web\r\n\r\n`);
  return await promise.finally(() => {
    clearTimeout(timer);
    socket.off('data', onData).off('error', onError).off('end', onEnd);
  });
}
