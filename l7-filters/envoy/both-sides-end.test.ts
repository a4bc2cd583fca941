import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { freePort } from '../../testkit/ports.ts';
import { SlotScene } from './testing/slot-scene.ts';
import { tlsSlot } from './testing/slots.ts';

/** Of some the kernel takes all but less than a proxy may keep: it takes 4 MB for a server that does not read, mostly. */
const SIZES = Array.from({ length: 32 }, (_, n) => (n + 1) * 250_000);
const ANSWER = 'answered';
/** In which a proxy could read what clients send, and their ends. */
const SETTLED_MS = 500;

/** How many bytes come until the other side ends. Nothing ends this side, as helpers for streams would. */
async function lengthUntilEnd(socket: Socket): Promise<number> {
  let length = 0;
  socket.on('data', (data) => {
    length += data.length;
  });
  await once(socket.resume(), 'end');
  return length;
}

describe('connections through a slot of server names whose both sides end', needs('envoy'), () => {
  test('a server hears all that clients have sent, also what she reads only after they have heard all', async () => {
    await using cleanUp = new AsyncDisposableStack();
    const asked: Socket[] = [];
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => asked.push(socket));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    cleanUp.defer(() => {
      for (const socket of asked) socket.destroy();
      server.close();
    });
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const port = await freePort();
    const slot = tlsSlot('open', ['web.test'], { isOpen: true });
    cleanUp.use(await SlotScene.start([{ slot, port, backendPort: address.port }]));
    const open = () => cleanUp.adopt(connect({ host: '127.0.0.1', port, allowHalfOpen: true }), (socket) => void socket.destroy());
    await eventually(async () => {
      await once(open(), 'connect');
      await eventually(() => assert.equal(asked.length, 1), { withinMs: 1_000 });
    });

    const clients = SIZES.map((size) => open().end(Buffer.alloc(size)));
    await eventually(() => assert.equal(asked.length, 1 + SIZES.length));
    await wait(SETTLED_MS);
    const [, ...servers] = asked;
    for (const socket of servers) socket.end(ANSWER);
    for (const length of await Promise.all(clients.map(lengthUntilEnd))) assert.equal(length, ANSWER.length);
    const heard = await Promise.all(servers.map(lengthUntilEnd));
    assert.deepEqual(
      heard.sort((a, b) => a - b),
      SIZES,
    );
  });
});
