import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { Backend } from '../testkit/backend.ts';
import { eventually } from '../testkit/eventually.ts';
import { freePort } from '../testkit/ports.ts';
import { ProxiedEnvoy } from '../testkit/proxied-envoy.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';

interface Scene extends AsyncDisposable {
  readonly backend: Backend;
  readonly proxied: ProxiedEnvoy;
  readonly port: number;
  readonly tcpPort: number;
}

async function prepareScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(new TemporaryFolder());
  const backend = stack.use(await Backend.start({ name: 'a' }));
  const [port, tcpPort] = [await freePort(), await freePort()];
  const ports = { listenPort: port, tcpListenPort: tcpPort, backendPort: backend.port };
  const proxied = stack.use(await ProxiedEnvoy.start({ statePath: folder.join('state'), ...ports }));
  const rest = stack.move();
  return { backend, proxied, port, tcpPort, [Symbol.asyncDispose]: () => rest.disposeAsync() };
}

async function errorOfConnecting(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  return await new Promise((resolve) => {
    socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
    socket.on('connect', () => resolve('connected'));
    socket.on('close', () => socket.destroy());
  });
}

test('a request that is open finishes, new connections are refused', async () => {
  await using scene = await prepareScene();
  const { backend, proxied, port } = scene;
  const response = fetch(`http://127.0.0.1:${port}/slow?chunks=6&every=250`);
  await eventually(() => assert.equal(backend.received.length, 1));

  let stopped = false;
  const stop = proxied.envoy.stop({ drainMs: 60_000 }).then(() => {
    stopped = true;
  });
  await eventually(async () => assert.equal(await errorOfConnecting(port), 'ECONNREFUSED'));
  assert.equal(stopped, false, 'the open request is waited for');
  assert.match(await (await response).text(), /chunk 6 of 6\n$/);
  await stop;
  assert.equal(proxied.events.at(-1)?.kind, 'stopped');
});

test('an answer given while Envoy drains asks the client to close its connection', async () => {
  await using scene = await prepareScene();
  const { backend, proxied, port } = scene;
  const response = fetch(`http://127.0.0.1:${port}/slow?delay=1000`);
  await eventually(() => assert.equal(backend.received.length, 1));
  const stop = proxied.envoy.stop({ drainMs: 60_000 });
  assert.equal((await response).headers.get('connection'), 'close');
  await stop;
});

test('a request that takes longer than the drain time is cut off', async () => {
  await using scene = await prepareScene();
  const { backend, proxied, port } = scene;
  const cut = assert.rejects(fetch(`http://127.0.0.1:${port}/slow?delay=600000`));
  await eventually(() => assert.equal(backend.received.length, 1));
  await proxied.envoy.stop({ drainMs: 300 });
  await cut;
});

test('a second stop cuts the first one short', async () => {
  await using scene = await prepareScene();
  const { backend, proxied, port } = scene;
  const cut = assert.rejects(fetch(`http://127.0.0.1:${port}/slow?delay=600000`));
  await eventually(() => assert.equal(backend.received.length, 1));
  const first = proxied.envoy.stop({ drainMs: 600_000 });
  await proxied.envoy.stop({ drainMs: 0 });
  await first;
  await cut;
  assert.equal(proxied.events.filter((event) => event.kind === 'stopping').length, 1);
});

test('a connection that is idle is not waited for', async () => {
  await using scene = await prepareScene();
  const { proxied, port } = scene;
  const agent = new Agent({ keepAlive: true });
  const [answer] = await once(get({ port, host: '127.0.0.1', agent }), 'response');
  answer.resume();
  await once(answer, 'end');
  const active = await proxied.envoy.admin.stats({ filter: '^http\\.test\\.downstream_cx_active$' });
  assert.equal(active.get('http.test.downstream_cx_active'), 1);
  // Would take ten minutes, and the test runner's limit with it.
  await proxied.envoy.stop({ drainMs: 600_000 });
  agent.destroy();
});

test('a WebSocket that is open is waited for', async () => {
  await using scene = await prepareScene();
  const { proxied, port } = scene;
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
  await once(webSocket, 'message');
  const stop = proxied.envoy.stop({ drainMs: 60_000 });
  await eventually(async () => assert.equal(await errorOfConnecting(port), 'ECONNREFUSED'));
  webSocket.send('still here?');
  const [echo] = await once(webSocket, 'message');
  assert.equal(String(echo), 'still here?');
  webSocket.close();
  await stop;
});

test('a connection that is not HTTP to Envoy is waited for', async () => {
  await using scene = await prepareScene();
  const { backend, proxied, tcpPort } = scene;
  // Without keeping the connection, which would be waited for as well.
  const answered = once(get({ port: tcpPort, host: '127.0.0.1', path: '/slow?chunks=6&every=250', agent: false }), 'response');
  await eventually(() => assert.equal(backend.received.length, 1));
  const stop = proxied.envoy.stop({ drainMs: 60_000 });
  const [response] = await answered;
  assert.match(await text(response), /chunk 6 of 6\n$/);
  await stop;
});

test('an Envoy that does not react at all is killed', async () => {
  await using scene = await prepareScene();
  const { proxied } = scene;
  const pid = proxied.envoy.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  await proxied.envoy.stop({ drainMs: 0 });
  assert.deepEqual(proxied.events.at(-1), { kind: 'stopped', pid, by: 'SIGKILL' });
});
