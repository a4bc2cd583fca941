import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { z } from 'zod';
import { askedView, type heardView } from './asked.ts';

// Asks what its argument says, all at once, and writes what it has heard.

type Wanted = z.output<typeof askedView>[number];

/** Beyond the second after which the kernel tries again to connect. */
const TIMEOUT_MS = 1_500;

const wanted = askedView.parse(JSON.parse(process.argv[2] ?? ''));
const heard: z.output<typeof heardView> = await Promise.all(wanted.map(askTimes));
process.stdout.write(JSON.stringify(heard));

async function askTimes(asked: Wanted): Promise<string[]> {
  const answers: string[] = [];
  while (answers.length < asked.times) answers.push(await askOnce(asked).catch(codeOf));
  return answers;
}

async function askOnce(asked: Wanted): Promise<string> {
  if (asked.http) return await askHttp(asked, asked.http);
  return await (asked.protocol === 'TCP' ? askTcp(asked) : askUdp(asked));
}

async function askHttp({ host, port }: Wanted, { method, path }: NonNullable<Wanted['http']>): Promise<string> {
  const asked = request({ host, port, method, path, agent: false });
  const timer = setTimeout(() => asked.destroy(Object.assign(new Error('no answer'), { code: 'timeout' })), TIMEOUT_MS);
  try {
    asked.end();
    const [response] = await once(asked, 'response');
    let body = '';
    for await (const data of response) body += data;
    return `${response.statusCode} ${body.trim()}`;
  } finally {
    clearTimeout(timer);
  }
}

async function askTcp({ host, port }: Wanted): Promise<string> {
  const socket = connect({ host, port, timeout: TIMEOUT_MS });
  let isConnected = false;
  let text = '';
  socket.on('connect', () => {
    isConnected = true;
  });
  socket.on('data', (data) => {
    text += data;
  });
  try {
    const event = await Promise.race([once(socket, 'end').then(() => 'end'), once(socket, 'timeout').then(() => 'timeout')]);
    if (event === 'end' || text !== '') return text;
    return isConnected ? 'silent' : 'timeout';
  } finally {
    socket.destroy();
  }
}

async function askUdp({ host, port }: Wanted): Promise<string> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, host);
    await once(socket, 'connect');
    socket.send('who');
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return String(answer);
  } finally {
    socket.close();
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  if (error.name === 'AbortError') return 'timeout';
  return 'code' in error ? String(error.code) : error.message;
}
