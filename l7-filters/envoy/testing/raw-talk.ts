import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Far longer than an answer takes: nobody waits for it where the other side closes. */
const SILENCE_MS = 20_000;

/**
 * Sends bytes, and reads until the other side closes or enough has come.
 * @param sent as latin1
 * @param isEnough by default never: the other side is to close
 * @returns all that came, as latin1
 */
export async function talkRaw(port: number, sent: string, isEnough: (received: string) => boolean = () => false): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let received = '';
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    if (isEnough(received)) resolve();
  });
  socket.on('close', () => resolve());
  socket.on('error', () => resolve());
  socket.write(sent, 'latin1');
  const timeout = new AbortController();
  await Promise.race([promise, sleep(SILENCE_MS, undefined, { signal: timeout.signal }).catch(() => {})]);
  timeout.abort();
  socket.destroy();
  return received;
}

/** Of all final answers of HTTP/1. */
export function statusesOf(received: string): readonly number[] {
  return [...received.matchAll(/HTTP\/1\.[01] (\d{3}) /g)]
    .map(([, status]) => Number(status))
    .filter((status) => status >= 200 || status === 101);
}
