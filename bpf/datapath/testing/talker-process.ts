// The process of a talker: see talker.ts.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Answer, TalkCounts, Task } from './talker.ts';

const WORD = 'word';
const OPENING_PATIENCE_MS = 2_000;
const PAUSE_MS = 5;

let isTalking = false;
const counts: { -readonly [K in keyof TalkCounts]: TalkCounts[K] } = { streamed: 0, connected: 0, failed: 0 };
const talking: Promise<void>[] = [];

process.on('message', (task: Task) => {
  void perform(task).then((answer) => process.send?.(answer));
});

function perform(task: Task): Promise<Answer> {
  switch (task.kind) {
    case 'listen':
      return listen(task.port);
    case 'ask':
      return task.transport === 'tcp' ? askByTcp(task) : askByUdp(task);
    case 'keep-talking':
      return keepTalking(task);
    case 'stop-talking':
      return stopTalking();
  }
}

async function listen(port: number): Promise<boolean> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  server.listen(port, '::');
  const datagrams = createSocket({ type: 'udp6', ipv6Only: false });
  datagrams.on('message', (word, { address, port: to }) => datagrams.send(word, to, address));
  datagrams.bind(port, '::');
  await Promise.all([once(server, 'listening'), once(datagrams, 'listening')]);
  return true;
}

async function askByTcp({ host, port, patienceMs }: Extract<Task, { kind: 'ask' }>): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await answerOn(socket, AbortSignal.timeout(patienceMs));
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function askByUdp({ host, port, patienceMs }: Extract<Task, { kind: 'ask' }>): Promise<boolean> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.send(WORD, port, host);
    await once(socket, 'message', { signal: AbortSignal.timeout(patienceMs) });
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

async function keepTalking({ host, port, streams }: Extract<Task, { kind: 'keep-talking' }>): Promise<boolean> {
  Object.assign(counts, { streamed: 0, connected: 0, failed: 0 });
  isTalking = true;
  const sockets = Array.from({ length: streams }, () => connect(port, host));
  await Promise.all(sockets.map((socket) => answerOn(socket)));
  talking.push(...sockets.map(stream), connectAgain(host, port));
  return true;
}

async function stream(socket: Socket): Promise<void> {
  try {
    while (isTalking) {
      await answerOn(socket, AbortSignal.timeout(OPENING_PATIENCE_MS));
      counts.streamed += 1;
      await pause();
    }
  } catch {
    counts.failed += 1;
  }
  socket.destroy();
}

async function connectAgain(host: string, port: number): Promise<void> {
  while (isTalking) {
    const isAnswered = await askByTcp({ kind: 'ask', transport: 'tcp', host, port, patienceMs: OPENING_PATIENCE_MS });
    if (isAnswered) counts.connected += 1;
    else counts.failed += 1;
    await pause();
  }
}

async function stopTalking(): Promise<TalkCounts> {
  isTalking = false;
  await Promise.all(talking.splice(0));
  return counts;
}

async function answerOn(socket: Socket, signal?: AbortSignal): Promise<void> {
  socket.write(WORD);
  await once(socket, 'data', signal ? { signal } : {});
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
