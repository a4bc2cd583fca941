import { connect, createServer, type Socket } from 'node:net';
import { env } from 'node:process';
import type { Load } from './load.ts';

// Opens connections all the time, some of which policy allows and some not, and keeps streams. Who connects to it is told what became of
// them until now.

const { SERVER = '', ALLOWED_PORT = '', STREAM_PORT = '', DENIED_PORT = '', REPORT_PORT = '' } = env;
const STREAMS = 20;
const AT_ONCE = 3;
/** Retransmissions included. */
const PATIENT_MS = 20_000;
const SHORT_MS = 300;
const PAUSE_MS = 5;

const load: Load = { allowed: 0, denied: 0, streams: [], failures: [] };

createServer((socket) => {
  socket.on('error', () => {});
  socket.end(JSON.stringify(load));
}).listen(Number(REPORT_PORT));
for (let index = 0; index < STREAMS; index += 1) keepStream(index);
for (let index = 0; index < AT_ONCE; index += 1) {
  openAllowed();
  openDenied();
}

function keepStream(index: number): void {
  load.streams[index] = 0;
  const socket = connect({ host: SERVER, port: Number(STREAM_PORT), timeout: PATIENT_MS });
  socket.on('data', ({ length }) => {
    load.streams[index] = (load.streams[index] ?? 0) + length;
  });
  failOn(`stream ${index}`, socket, 'end', 'timeout', 'error');
}

function openAllowed(): void {
  const socket = connect({ host: SERVER, port: Number(ALLOWED_PORT), timeout: PATIENT_MS });
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  socket.on('end', () => {
    load.allowed += 1;
    if (text === '') load.failures.push('a connection that is allowed: nothing was said');
  });
  failOn('a connection that is allowed', socket, 'timeout', 'error');
  socket.on('close', () => setTimeout(openAllowed, PAUSE_MS));
}

function openDenied(): void {
  const socket = connect({ host: SERVER, port: Number(DENIED_PORT), timeout: SHORT_MS });
  failOn('a connection that is denied', socket, 'connect', 'error');
  socket.on('timeout', () => socket.destroy());
  socket.on('close', () => {
    load.denied += 1;
    setTimeout(openDenied, PAUSE_MS);
  });
}

function failOn(what: string, socket: Socket, ...events: readonly string[]): void {
  for (const event of events) {
    socket.on(event, (error?: Error) => {
      load.failures.push(`${what}: ${error?.message ?? event} at ${new Date().toISOString()}`);
      socket.destroy();
    });
  }
}
