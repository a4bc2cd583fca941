import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { env } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpLoad } from './http-pods.ts';

// Sends requests all the time, some of which policy allows and some not, by connections that it keeps and by new ones, and none of them twice.
// Who connects to it is told what became of them until now.

const { AUTHORITY = '', ALLOWED_PATH = '', DENIED_PATH = '', KINDS = '', DENIED_KINDS = '', REPORT_PORT = '' } = env;
/** Retransmissions included. */
const PATIENT_MS = 20_000;
const PAUSE_MS = 20;
const DENIED = '403 Access denied\r\n';

const load: HttpLoad = { allowed: { kept: 0, anew: 0 }, denied: { kept: 0, anew: 0 }, connections: 0, failures: [] };

createServer((socket) => {
  socket.on('error', () => {});
  socket.end(JSON.stringify(load));
}).listen(Number(REPORT_PORT));
for (const how of ['kept', 'anew'] as const) {
  if (KINDS.split(',').includes(how)) void askOn(ALLOWED_PATH, how, load.allowed, (answer) => answer.startsWith('200 '));
  if (DENIED_KINDS.split(',').includes(how)) void askOn(DENIED_PATH, how, load.denied, (answer) => answer === DENIED);
}

async function askOn(path: string, how: 'kept' | 'anew', counts: HttpLoad['allowed'], isExpected: (answer: string) => boolean) {
  const agent = how === 'kept' ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined;
  for (;;) {
    const from = new Date();
    const answer = await ask(path, agent);
    if (isExpected(answer)) counts[how] += 1;
    else load.failures.push(`${path}, ${how}, from ${from.toISOString()} to ${new Date().toISOString()}: ${answer}`);
    await sleep(PAUSE_MS);
  }
}

/** @returns the status and the body, or what went wrong */
function ask(path: string, agent: Agent | undefined): Promise<string> {
  return new Promise((resolve) => {
    const asked = request(`http://${AUTHORITY}${path}`, { agent: agent ?? false, timeout: PATIENT_MS }, (response) => {
      let body = '';
      response.on('data', (data) => {
        body += data;
      });
      response.on('end', () => resolve(`${response.statusCode} ${body}`));
      response.on('error', (error) => resolve(`in the answer: ${error.message}`));
    });
    asked.on('socket', () => {
      if (agent && !asked.reusedSocket) load.connections += 1;
    });
    asked.on('timeout', () => asked.destroy(new Error('timeout')));
    asked.on('error', (error) => resolve(error.message));
    asked.end();
  });
}
