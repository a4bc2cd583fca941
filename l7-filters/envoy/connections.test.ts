import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { status as grpcStatus } from '@grpc/grpc-js';
import { Backend } from '../../testkit/backend.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { callStream, callUnary, GrpcEcho } from '../../testkit/grpc-echo.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { freePort } from '../../testkit/ports.ts';
import { talkByWebSocket } from '../../testkit/web-socket-talk.ts';
import { statusesOf, talkRaw } from './testing/raw-talk.ts';
import { type ServedSlot, SlotScene } from './testing/slot-scene.ts';
import { httpSlot, type RuleText } from './testing/slots.ts';
import { TappedBackend } from './testing/tapped-backend.ts';

const HOST = 'web.test';

/** One request on a connection that stays, with what tells one connection from another. */
async function ask(agent: Agent, port: number, path: string): Promise<{ readonly status: number; readonly localPort: number }> {
  const sent = request({ host: '127.0.0.1', port, agent, path, headers: { host: HOST } }).end();
  const [response]: IncomingMessage[] = await once(sent, 'response');
  assert.ok(response);
  const { localPort = 0 } = response.socket;
  await text(response);
  return { status: response.statusCode ?? 0, localPort };
}

describe('connections through a slot', needs('envoy'), () => {
  let backend: TappedBackend;
  let scene: SlotScene;
  let port = 0;
  const served = (rules: readonly RuleText[], isOpen = false): ServedSlot => ({
    slot: httpSlot('edited', rules, { isOpen }),
    port,
    backendPort: backend.port,
  });
  const serve = (rules: readonly RuleText[]) => scene.serve(served(rules));

  before(async () => {
    backend = await TappedBackend.start();
    port = await freePort();
    scene = await SlotScene.start([served([{ path: '/a' }])]);
    await eventually(() => requestHttp1({ port, host: HOST }));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  test('an edit is in force for the next request of an open connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const { localPort, status } = await ask(agent, port, '/a');
    assert.equal(status, 200);
    const edits: readonly (readonly [rules: readonly RuleText[], allowed: string])[] = [
      [[{ path: '/b' }], '/b'],
      [[{ path: '/[cd]', headers: [{ name: 'x-a', value: { kind: 'literal', text: 'b' }, mismatch: 'add' }] }], '/c'],
      [[{ path: '/a' }], '/a'],
    ];
    for (const [rules, allowed] of edits) {
      serve(rules);
      await eventually(async () => assert.deepEqual(await ask(agent, port, allowed), { status: 200, localPort }));
      for (const other of ['/a', '/b', '/c'].filter((path) => path !== allowed)) {
        assert.deepEqual(await ask(agent, port, other), { status: 403, localPort });
      }
    }
    agent.destroy();
    assert.deepEqual(scene.refusals, []);
  });

  test('the same over HTTP/2, beside an answer that goes on', async () => {
    serve([{ path: '/a.*' }]);
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/a?x' })).status, 200));
    const session = connect(`http://127.0.0.1:${port}`);
    const send = (path: string) => session.request({ ':path': path, ':authority': HOST });
    const long = send('/a?chunks=1000&every=5');
    await once(long, 'response');
    serve([{ path: '/b' }]);
    await eventually(async () => {
      const stream = send('/a?x');
      const [headers] = await once(stream, 'response');
      stream.resume();
      assert.equal(headers[':status'], 403);
    });
    assert.equal(long.destroyed, false);
    long.close();
    session.destroy();
  });

  test('a WebSocket is opened where a rule allows it, and talks on', async () => {
    serve([{ path: '/a' }]);
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/a' })).status, 200));
    const { request: seen, answers } = await talkByWebSocket({ port, host: HOST, path: '/a' }, ['one', 'two']);
    assert.deepEqual([seen.url, answers], ['/a', ['one', 'two']]);
    await assert.rejects(talkByWebSocket({ port, host: HOST, path: '/b' }, []), /403/);
  });

  test('a rule may ask for what tells of a WebSocket', async () => {
    const headers = [
      { name: 'upgrade', value: { kind: 'literal', text: 'websocket' }, mismatch: 'deny' },
      { name: 'connection', mismatch: 'deny' },
    ] as const;
    serve([{ path: '/plain' }, { path: '/a', headers }]);
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/plain' })).status, 200));
    assert.equal((await requestHttp1({ port, host: HOST, path: '/a', headers: { upgrade: 'websocket' } })).status, 403);
    const { answers } = await talkByWebSocket({ port, host: HOST, path: '/a' }, ['one']);
    assert.deepEqual(answers, ['one']);
  });

  test('a server sees what was sent, as it was sent', async () => {
    serve([{ path: '/a' }]);
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/a' })).status, 200));
    const sent = [
      'POST /a HTTP/1.1',
      'Host: web.test',
      'X-MiXed_Case: b',
      'User-Agent: own',
      'X-Forwarded-For: 192.0.2.1',
      'X-Forwarded-Proto: https',
      'X-Request-Id: my-own',
      'X-Envoy-External-Address: 192.0.2.2',
      'X-Forwarded-Client-Cert: Hash=0123',
      'Via: 1.1 other',
      'Transfer-Encoding: chunked',
      'Trailer: X-End',
    ];
    backend.takeRaw();
    const answer = await talkRaw(port, `${sent.join('\r\n')}\r\n\r\n2\r\nhi\r\n0\r\nX-End: c\r\n\r\n`, (so) => statusesOf(so).length > 0);
    const raw = backend.takeRaw();
    assert.deepEqual(raw.slice(0, raw.indexOf('\r\n\r\n')).split('\r\n').sort(), sent.toSorted());
    assert.match(raw, /\r\n0\r\n(?:x-end|X-End): c\r\n\r\n$/);
    assert.doesNotMatch(answer, /^(?:server|via|x-envoy[^:]*|x-forwarded[^:]*):/im);
    await talkRaw(port, 'GET /a HTTP/1.1\r\nHost: web.test\r\n\r\n', (so) => statusesOf(so).length > 0);
    assert.equal(backend.takeRaw(), 'GET /a HTTP/1.1\r\nHost: web.test\r\n\r\n');
  });

  test('whether a client may send its body is for the server to say, unless a rule does', async () => {
    serve([{ path: '/a' }]);
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/a' })).status, 200));
    backend.takeRaw();
    const ask = (path: string) => `POST ${path} HTTP/1.1\r\nHost: web.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`;
    const isAnswered = (so: string) => so.includes('HTTP/1.1 ');
    assert.match(await talkRaw(port, ask('/a'), isAnswered), /^HTTP\/1\.1 100 Continue\r\n/);
    assert.match(backend.takeRaw(), /\r\nExpect: 100-continue\r\n/);
    assert.match(await talkRaw(port, ask('/b'), isAnswered), /^HTTP\/1\.1 403 Forbidden\r\n/);
    assert.equal(backend.takeRaw(), '');
  });

  test('headers larger than servers take by default go on', async () => {
    serve([{ path: '/a' }]);
    const big = 'x'.repeat(100_000);
    backend.takeRaw();
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/a' })).status, 200));
    await talkRaw(port, `GET /a HTTP/1.1\r\nHost: web.test\r\nX-Big: ${big}\r\n\r\n`, (so) => statusesOf(so).length > 0);
    assert.ok(backend.takeRaw().includes(`X-Big: ${big}\r\n`));
  });

  test('a denial is logged with what it was, but for its query, and no other header', async () => {
    serve([{ path: '/a' }]);
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/a' })).status, 200));
    await requestHttp1({ port, host: HOST, path: '/a', headers: { 'x-request-id': 'id-0' } });
    const { headers } = await requestHttp1({
      port,
      host: HOST,
      path: '/denied?b=c',
      headers: { 'x-request-id': 'id-1', 'x-token': 'hidden' },
    });
    assert.equal(headers['x-request-id'], 'id-1');
    const line = await eventually(() => {
      const found = readFileSync(scene.logFile, 'utf8')
        .split('\n')
        .find((each) => each.includes('"requestId":"id-1"'));
      assert.ok(found);
      return found;
    });
    const { kind, slot, method, authority, path, result, status } = JSON.parse(line);
    assert.deepEqual(
      { kind, slot, method, authority, path, result, status },
      {
        kind: 'sluice.slot',
        slot: 'http/ingress/edited',
        method: 'GET',
        authority: HOST,
        path: '/denied',
        result: 'denied',
        status: 403,
      },
    );
    assert.ok(!line.includes('hidden'));
    assert.ok(!readFileSync(scene.logFile, 'utf8').includes('id-0'));
  });
});

describe('gRPC through a slot', needs('envoy'), () => {
  test('is judged by its path; a denial has a status of gRPC', async () => {
    await using echo = await GrpcEcho.start('pod');
    const port = await freePort();
    const slot = httpSlot('grpc', [{ method: 'POST', path: '/sluice\\.test\\.Echo/Stream' }]);
    await using _ = await SlotScene.start([{ slot, port, backendPort: echo.port }]);
    const target = { port, host: HOST };
    assert.deepEqual(await eventually(() => callStream(target, ['a', 'b'])), ['pod: a', 'pod: b']);
    await assert.rejects(callUnary(target, 'a'), { code: grpcStatus.PERMISSION_DENIED });
  });
});

describe('a server that closes connections', needs('envoy'), () => {
  test('costs no request that changes nothing, of a client that keeps its own', async () => {
    // It closes each connection as soon as it has answered on it, without a word in the answer.
    const server = createServer((asked, response) => {
      response.end('ok');
      response.on('finish', () => setImmediate(() => asked.socket.end()));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const port = await freePort();
    await using _ = await SlotScene.start([{ slot: httpSlot('closing', [{ path: '/a' }]), port, backendPort: address.port }]);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await eventually(() => ask(agent, port, '/'));
    const { localPort } = await ask(agent, port, '/a');
    for (let count = 0; count < 200; count += 1) assert.deepEqual(await ask(agent, port, '/a'), { status: 200, localPort });
    agent.destroy();
    server.close();
    server.closeAllConnections();
  });
});

describe('a server that ends', needs('envoy'), () => {
  /** Asks on a connection that the client would keep. @returns whether it is to be kept */
  async function isKept(
    agent: Agent,
    port: number,
    path: string,
  ): Promise<{ readonly status: number | undefined; readonly isKept: boolean }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly status: number | undefined; readonly isKept: boolean }>();
    request({ host: '127.0.0.1', port, path, agent }, (response) => {
      response.resume().on('end', () => resolve({ status: response.statusCode, isKept: response.headers.connection !== 'close' }));
    })
      .on('error', reject)
      .end();
    return await promise;
  }

  test('has the client end its connection, too: when it says so, and when it is gone', async () => {
    const server = createServer((asked, response) => {
      if (asked.url === '/last') response.setHeader('connection', 'close');
      response.end('ok');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const port = await freePort();
    await using _ = await SlotScene.start([{ slot: httpSlot('ending', [{ path: '/.*' }]), port, backendPort: address.port }]);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await eventually(async () => assert.deepEqual(await isKept(agent, port, '/'), { status: 200, isKept: true }));
    assert.deepEqual(await isKept(agent, port, '/last'), { status: 200, isKept: false });
    assert.deepEqual(await isKept(agent, port, '/'), { status: 200, isKept: true });
    server.close();
    server.closeAllConnections();
    assert.deepEqual(await isKept(agent, port, '/'), { status: 503, isKept: false });
    agent.destroy();
  });
});

describe('a bad regular expression', needs('envoy'), () => {
  test('never gets to Envoy: its rule allows nothing, others do', async () => {
    await using backend = await Backend.start({ name: 'pod' });
    const port = await freePort();
    const slot = httpSlot('bad', [
      { path: '/a(' },
      { path: '/(?=b)b' },
      { path: `/x{${'9'.repeat(4)}}` },
      { path: '/[cd]', method: '(' },
      { path: '/[ef]' },
    ]);
    await using scene = await SlotScene.start([{ slot, port, backendPort: backend.port }]);
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/e' })).status, 200));
    for (const path of ['/a(', '/b', '/c', '/x']) assert.equal((await requestHttp1({ port, host: HOST, path })).status, 403, path);
    assert.deepEqual(scene.refusals, []);
  });
});
