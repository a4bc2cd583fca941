import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { MarkedConnection } from '../../testkit/marked-socket.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { TcpSockets } from './index.ts';

enterOwnNetwork();

const MASK = 0xf00;
const PORT = 8080;
/** More than the kernel tells of at once. */
const MANY = 1_000;

for (const { family, client, other, server: at } of [
  { family: 'IPv4', client: '127.0.0.2', other: '127.0.0.3', server: '127.0.0.1' },
  { family: 'IPv6', client: 'fd00:7::2', other: 'fd00:7::3', server: 'fd00:7::1' },
]) {
  describe(`connections that are ended from without, ${family}`, needs('root', 'netns'), () => {
    const accepted: Socket[] = [];
    const ended: string[] = [];
    let server: Server;
    let sockets: TcpSockets;
    before(async () => {
      execFileSync('ip', ['link', 'set', 'lo', 'up']);
      if (family === 'IPv6')
        for (const each of [client, other, at]) execFileSync('ip', ['-6', 'address', 'add', `${each}/128`, 'dev', 'lo', 'nodad']);
      server = createServer((socket) => {
        const { remoteAddress = '' } = socket;
        accepted.push(socket);
        socket.on('error', (error) => ended.push(`${remoteAddress} ${'code' in error ? String(error.code) : error.message}`));
      }).listen({ port: PORT, host: at, backlog: 2 * MANY });
      await once(server, 'listening');
      sockets = TcpSockets.open();
    });
    after(() => {
      sockets?.[Symbol.dispose]();
      for (const socket of accepted) socket.destroy();
      server?.close();
    });

    async function open(mark: number, from: string): Promise<MarkedConnection> {
      const count = accepted.length;
      const connection = new MarkedConnection({ mark, from, to: at, port: PORT });
      await eventually(() => assert.equal(accepted.length, count + 1));
      return connection;
    }

    test('are those of that address at that side, with that mark', async () => {
      using _first = await open(0x1234_0a01, client);
      using _second = await open(0x4321_0a00, client);
      using _otherMark = await open(0x900, client);
      using _otherAddress = await open(0xa00, other);
      assert.equal(sockets.destroyAll({ mark: 0xa00, mask: MASK, end: { side: 'remote', address: client } }), 0);
      assert.equal(sockets.destroyAll({ mark: 0xb00, mask: MASK, end: { side: 'local', address: client } }), 0);
      assert.equal(sockets.destroyAll({ mark: 0xa00, mask: MASK, end: { side: 'local', address: client } }), 2);
      await eventually(() => assert.deepEqual(ended, [`${client} ECONNRESET`, `${client} ECONNRESET`]));
      assert.equal(sockets.destroyAll({ mark: 0xa00, mask: MASK, end: { side: 'local', address: client } }), 0);
      assert.equal(sockets.destroyAll({ mark: 0x900, mask: MASK, end: { side: 'remote', address: at } }), 1);
      assert.equal(sockets.destroyAll({ mark: 0xa00, mask: MASK, end: { side: 'remote', address: at } }), 1);
      await eventually(() => assert.equal(ended.length, 4));
    });

    test('are listed by their mark, and one is ended while others go on', async () => {
      using _ended = await open(0xd00, client);
      using _other = await open(0x1_0d00, other);
      using _third = await open(0xe00, client);
      const found = sockets.list({ mark: 0xd00, mask: MASK });
      assert.deepEqual(found.map(({ source }) => source).sort(), [client, other]);
      const socket = found.find(({ source }) => source === client);
      assert.ok(socket);
      assert.equal(socket.family, family.toLowerCase());
      assert.deepEqual([socket.destination, socket.destinationPort, socket.mark], [at, PORT, 0xd00]);
      assert.deepEqual(found.map(({ mark }) => mark).sort(), [0xd00, 0x1_0d00]);
      assert.equal(sockets.destroy(socket), true);
      assert.equal(sockets.destroy(socket), false);
      assert.deepEqual(
        sockets.list({ mark: 0xd00, mask: MASK }).map(({ source }) => source),
        [other],
      );
    });

    test('are as many as there are', async () => {
      const { length } = accepted;
      const connections = [];
      for (let count = 0; count < MANY; count++) connections.push(new MarkedConnection({ mark: 0xa00, from: client, to: at, port: PORT }));
      await eventually(() => assert.equal(accepted.length, length + connections.length));
      assert.equal(sockets.destroyAll({ mark: 0xa00, mask: MASK, end: { side: 'local', address: client } }), connections.length);
      for (const connection of connections) connection[Symbol.dispose]();
    });
  });
}
