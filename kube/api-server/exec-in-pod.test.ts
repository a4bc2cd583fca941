import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { after, describe, test } from 'node:test';
import { array, assert as assertProperty, asyncProperty, constantFrom, jsonValue, oneof, string, tuple, uint8Array } from 'fast-check';
import { WebSocketServer } from 'ws';
import { apiClientOf } from '../../testkit/api-client.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { freePort } from '../../testkit/ports.ts';
import { ApiError } from './api-error.ts';
import { execInPod } from './exec-in-pod.ts';

const RUNS = 150;
const MIB = 1024 * 1024;
const [STDOUT, STDERR, STATUS] = [1, 2, 3];
const SUCCESS = JSON.stringify({ status: 'Success' });

const { certificate, privateKey } = makeCertificate({ names: ['localhost'] });
const port = await freePort();
const https = createServer({ cert: certificate, key: privateKey }).listen(port, '127.0.0.1');
await once(https, 'listening');
/** What the next command answers, message by message. */
let answer: readonly Uint8Array[] = [];
const sockets = new WebSocketServer({ server: https, handleProtocols: ([first = '']) => first });
sockets.on('connection', (socket) => {
  for (const message of answer) socket.send(message);
  socket.close();
});
const client = apiClientOf({ server: `https://127.0.0.1:${port}`, authority: certificate, serverName: 'localhost' });
after(async () => {
  await client.close();
  sockets.close();
  https.closeAllConnections();
  https.close();
});

function on(channel: number, text: string): Uint8Array {
  return Buffer.concat([Buffer.from([channel]), Buffer.from(text)]);
}

async function outcomeOf(messages: readonly Uint8Array[]): Promise<unknown> {
  answer = messages;
  return await execInPod(client, { namespace: 'a', pod: 'b', container: 'c', command: ['d'] }).catch((error: unknown) => error);
}

describe('a command in a pod', () => {
  test('gives what it wrote, in order, and how it ended', async () => {
    const code = { status: 'Failure', message: 'why', details: { causes: [{ reason: 'ExitCode', message: '7' }] } };
    const said = [on(STDOUT, 'a'), on(STDERR, 'x'), on(STDOUT, 'b')];
    assert.deepEqual(await outcomeOf([...said, on(STATUS, SUCCESS)]), { stdout: 'ab', stderr: 'x', exitCode: 0 });
    assert.deepEqual(await outcomeOf([...said, on(STATUS, JSON.stringify(code))]), { stdout: 'ab', stderr: 'x', exitCode: 7 });
    const never = { stdout: '', stderr: 'why', exitCode: undefined };
    assert.deepEqual(await outcomeOf([on(STATUS, JSON.stringify({ status: 'Failure', message: 'why' }))]), never);
  });

  test('whatever messages come, there is a result or an ApiError that quotes none of them', async () => {
    const text = oneof(
      string(),
      jsonValue().map((value) => JSON.stringify(value)),
      constantFrom(SUCCESS, '{"status":7}', '{', 'null'),
    );
    const message = oneof(
      uint8Array({ maxLength: 20 }),
      tuple(constantFrom(STDOUT, STDERR, STATUS, 9), text).map(([channel = 0, content]) => on(channel, `${content}`)),
    );
    let refused = 0;
    await assertProperty(
      asyncProperty(array(message, { maxLength: 4 }), async (messages) => {
        const outcome = await outcomeOf(messages);
        if (outcome instanceof ApiError) {
          refused++;
          assert.match(outcome.message, /: (the connection ended before|how the command ended)/);
        } else assert.ok(outcome !== null && typeof outcome === 'object' && 'exitCode' in outcome, String(outcome));
      }),
      { numRuns: RUNS },
    );
    assert.ok(refused > RUNS / 4, `${refused}`);
  });

  test('that writes without end is left', async () => {
    const endless = Array.from({ length: 70 }, () => Buffer.alloc(MIB, STDOUT));
    const outcome = await outcomeOf([...endless, on(STATUS, SUCCESS)]);
    assert.ok(outcome instanceof ApiError && outcome.code === 'server-error');
  });
});
