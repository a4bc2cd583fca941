import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ObjectSpec } from './index.ts';
import { Cgroup } from './testing/cgroup.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';
import { enterOwnNamespaces } from './testing/own-namespaces.ts';

enterOwnNamespaces();

const CLIENT = fileURLToPath(new URL('testing/translated-client.ts', import.meta.url));
const SERVICE = '192.0.2.1';
const BACKEND_PORT = 8080;

test('an address is translated at the socket, there and back, by programs of a cgroup', loads(), async () => {
  using programs = new CompiledPrograms();
  using spec = ObjectSpec.open(programs.compile('translated'));
  using loaded = await spec.load();
  using cgroup = new Cgroup();
  await using server = createServer((socket) => socket.end()).listen(BACKEND_PORT, '127.0.0.1');
  await once(server, 'listening');
  await using socket = createSocket('udp4');
  socket.on('message', (message, { address, port }) => socket.send(`${message} too`, port, address));
  socket.bind(BACKEND_PORT, '127.0.0.1');
  await once(socket, 'listening');

  const ask = async () => {
    const script = cgroup.within(`exec '${process.execPath}' '${CLIENT}' ${SERVICE} 80`);
    const { stdout } = await promisify(execFile)('bash', ['-c', script]);
    return JSON.parse(stdout);
  };
  await assert.rejects(ask(), /ENETUNREACH/);
  using links = new DisposableStack();
  for (const name of ['on_connect', 'on_sendmsg', 'on_recvmsg', 'on_getpeername']) {
    links.use(loaded.program(name).attachToCgroup(cgroup.folder));
  }
  assert.deepEqual(await ask(), { tcp: `${SERVICE}:80`, udp: `${SERVICE}:80`, message: 'hello too' });
});
