import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { freePort } from '../../testkit/ports.ts';
import { SlotScene } from './testing/slot-scene.ts';
import { httpSlot, tlsSlot } from './testing/slots.ts';

enterOwnNetwork();

/** Of nobody but the client, who is gone without it. */
const CLIENT = '10.99.0.2';
const IDLE_SECONDS = 300;
const QUICK = { TCP_KEEPIDLE: 1, TCP_KEEPINTVL: 1, TCP_KEEPCNT: 2 };

/** proc(5): what is open, with the port of either side in hexadecimal, and of its timer which one it is and when it ends, in hundredths of a second. */
const LINE = /^\s*\d+: [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F]{8}:([0-9A-F]{4}) 01 \S+ ([0-9A-F]{2}):([0-9A-F]{8})/gm;
const KEEP_ALIVE_TIMER = 2;

interface Opened {
  readonly localPort: number;
  readonly remotePort: number;
  /** Until it asks whether the other side is there; undefined where it never does. */
  readonly asksInSeconds?: number;
}

function opened(): readonly Opened[] {
  return [...readFileSync('/proc/net/tcp', 'utf8').matchAll(LINE)].map(([, local, remote, timer, when]) => {
    const [localPort, remotePort] = [Number(`0x${local}`), Number(`0x${remote}`)];
    return { localPort, remotePort, ...(Number(timer) === KEEP_ALIVE_TIMER && { asksInSeconds: Number(`0x${when}`) / 100 }) };
  });
}

const SLOTS = [
  { slot: httpSlot('idle', [{ path: '/.*' }]), text: 'GET / HTTP/1.1\r\nHost: web.test\r\n\r\n' },
  { slot: tlsSlot('idle', [], { isOpen: true }), text: 'something' },
];

describe('connections on which nothing is said', needs('envoy', 'root'), () => {
  const server = createServer();
  let backendPort = 0;
  before(async () => {
    execFileSync('ip', ['address', 'add', `${CLIENT}/32`, 'dev', 'lo']);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    backendPort = address.port;
  });
  after(() => server.close());

  /** Has a client say something, which the server does not answer. */
  async function talk(port: number, text: string): Promise<{ readonly client: Socket; readonly served: Socket }> {
    // Before there is a client: an open slot connects to the server as soon as it has one.
    const accepted = once(server, 'connection');
    const client = await eventually(async () => {
      const socket = connect({ host: '127.0.0.1', port, localAddress: CLIENT });
      await once(socket, 'connect');
      return socket;
    });
    client.on('error', () => {});
    client.write(text);
    const [served]: Socket[] = await accepted;
    assert.ok(served);
    served.resume();
    return { client, served };
  }

  for (const { slot, text } of SLOTS) {
    test(`are looked after, on either side: ${slot.name}`, async () => {
      const port = await freePort();
      await using _ = await SlotScene.start([{ slot, port, backendPort }]);
      const { client, served } = await talk(port, text);
      await eventually(() => {
        const ofEnvoy = opened().filter(({ localPort, remotePort }) => localPort === port || remotePort === backendPort);
        assert.equal(ofEnvoy.length, 2);
        for (const { asksInSeconds } of ofEnvoy) assert.ok(asksInSeconds !== undefined && asksInSeconds <= IDLE_SECONDS);
      });
      client.destroy();
      served.destroy();
    });
  }

  for (const { slot, text } of SLOTS) {
    test(`end where the client is gone without a word, and the server hears of it: ${slot.name}`, { timeout: 60_000 }, async () => {
      const port = await freePort();
      await using _ = await SlotScene.start([{ slot, port, backendPort, socketValues: QUICK }]);
      const { client, served } = await talk(port, text);
      const ended = once(served, 'close');
      execFileSync('ip', ['address', 'delete', `${CLIENT}/32`, 'dev', 'lo']);
      await ended;
      assert.deepEqual(
        opened().filter(({ localPort }) => localPort === port),
        [],
      );
      execFileSync('ip', ['address', 'add', `${CLIENT}/32`, 'dev', 'lo']);
      client.destroy();
    });
  }
});
