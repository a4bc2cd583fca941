import { connect, createServer, type Socket } from 'node:net';
import { z } from 'zod';
import { answerParent } from '../../testkit/answer-parent.ts';

// Serves and opens connections that each side may end while the other goes on, in the network that it was started in.

const requestView = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('serve'),
    port: z.int(),
    /** When it answers and ends its side: at once, when it has read an empty line, or when the client has ended his. */
    answers: z.enum(['at-once', 'after-request', 'after-end']),
    /** Comes before so many {@link FILLING}. */
    head: z.string(),
    bytes: z.int(),
  }),
  /** How many bytes each client of a port has sent that has ended his side, or why he did not; since it was forgotten last. */
  z.object({ kind: z.literal('heard'), port: z.int() }),
  z.object({ kind: z.literal('forget'), port: z.int() }),
  z.object({
    kind: z.literal('talk'),
    to: z.string(),
    port: z.int(),
    text: z.string(),
    /** When it ends its side: with what it sends, or after the server has. In the latter case it sends once more before. */
    ends: z.enum(['first', 'last']),
    timeoutMs: z.int(),
  }),
]);
export type StreamRequest = z.input<typeof requestView>;
type Serve = Extract<z.output<typeof requestView>, { kind: 'serve' }>;
type Talk = Extract<z.output<typeof requestView>, { kind: 'talk' }>;

/** Stands in no header of anybody. */
const FILLING = 'z';

const heard = new Map<number, (number | string)[]>();

answerParent(requestView, async (request) => {
  if (request.kind === 'serve') return await serve(request);
  if (request.kind === 'heard') return heard.get(request.port) ?? [];
  if (request.kind === 'forget') return void heard.get(request.port)?.splice(0);
  return await talk(request);
});

async function serve({ port, answers, head, bytes }: Serve): Promise<void> {
  const all: (number | string)[] = [];
  heard.set(port, all);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const answer = () => void socket.end(head + FILLING.repeat(bytes));
    let text = '';
    let length = 0;
    let isAsked = false;
    socket.on('error', (error) => all.push(`${error.message} after ${length}`));
    socket.on('data', (data) => {
      length += data.length;
      if (isAsked) return;
      text += data.toString('latin1');
      isAsked = text.includes('\r\n\r\n');
      if (isAsked && answers === 'after-request') answer();
    });
    socket.on('end', () => {
      all.push(length);
      if (answers === 'after-end') answer();
    });
    if (answers === 'at-once') answer();
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen({ port, host: '::' }, resolve);
  await promise;
}

/** What a client got. */
export interface Talked {
  /** Its first line, if it is HTTP. */
  readonly head: string;
  /** How many {@link FILLING}. */
  readonly bytes: number;
  /** `end`, or why there was none. */
  readonly ended: string;
}

async function talk({ to, port, text, ends, timeoutMs }: Talk): Promise<Talked> {
  const socket: Socket = connect({ host: to, port, allowHalfOpen: true });
  const { promise, resolve } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  socket.on('data', (data) => chunks.push(data));
  socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  socket.on('end', () => resolve('end'));
  const timer = setTimeout(() => resolve('timeout'), timeoutMs);
  if (ends === 'first') socket.end(text);
  else socket.write(text);
  const ended = await promise.finally(() => clearTimeout(timer));
  if (ended !== 'end') socket.destroy();
  else if (ends === 'last') socket.end(text);
  const all = Buffer.concat(chunks).toString('latin1');
  return { head: /^HTTP\S+ \d+/.exec(all)?.[0] ?? '', bytes: all.split(FILLING).length - 1, ended };
}
