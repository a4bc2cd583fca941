import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { echoOf, requestHttp1 } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { freePort } from '../../testkit/ports.ts';
import { talkRaw } from './testing/raw-talk.ts';
import { SlotScene } from './testing/slot-scene.ts';
import { tlsSlot } from './testing/slots.ts';
import { TappedBackend } from './testing/tapped-backend.ts';

const { certificate, privateKey } = makeCertificate({ names: ['localhost'] });

const CASES = [
  { patterns: ['web.test'], allowed: ['web.test', 'WEB.test'], denied: ['web.test.other', 'a.web.test', 'webxtest', ''] },
  { patterns: ['*.web.test'], allowed: ['a.web.test', 'a-b.web.test'], denied: ['web.test', 'a.b.web.test', ''] },
  {
    patterns: ['api-*.web.test', 'web.test'],
    allowed: ['api-1.web.test', 'api-.web.test', 'web.test'],
    denied: ['api.web.test', 'api-1.b.web.test'],
  },
  { patterns: ['**.web.test'], allowed: ['a.web.test', 'a.b.web.test'], denied: ['web.test', 'a.web-test', ''] },
  { patterns: ['**'], allowed: ['web.test', 'test'], denied: [''] },
  { patterns: [], allowed: [], denied: ['web.test', ''] },
] as const;

describe('server names', needs('envoy'), () => {
  const ports: number[] = [];
  let tapped: TappedBackend;
  let scene: SlotScene;
  const slotOf = (index: number, patterns: readonly string[]) => ({
    slot: tlsSlot(`${index}`, patterns),
    port: ports[index] ?? 0,
    backendPort: tapped.port,
  });
  const serve = (index: number, patterns: readonly string[]) =>
    scene.serve(...CASES.map((each, at) => slotOf(at, at === index ? patterns : each.patterns)));
  const ask = (port: number, serverName: string) => requestHttp1({ port, host: 'web.test', tls: { serverName } });

  before(async () => {
    tapped = await TappedBackend.start({ name: 'outside', protocol: 'https', tls: { key: privateKey, cert: certificate } });
    for (const _ of CASES) ports.push(await freePort());
    scene = await SlotScene.start(CASES.map(({ patterns }, index) => slotOf(index, patterns)));
    for (const [index, { allowed }] of CASES.entries()) {
      const [name] = allowed;
      if (name !== undefined) await eventually(() => ask(ports[index] ?? 0, name));
    }
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await tapped?.[Symbol.asyncDispose]();
  });

  for (const [index, { patterns, allowed, denied }] of CASES.entries()) {
    for (const name of allowed) {
      test(`${patterns}: ${name} is allowed, and TLS is the server's own`, async () => {
        const answer = await ask(ports[index] ?? 0, name);
        assert.equal(answer.status, 200);
        assert.equal(echoOf(answer).tls?.sni, name);
      });
    }
    for (const name of denied) {
      test(`${patterns || 'none'}: ${name || 'no name'} is denied, and the server sees no connection`, async () => {
        const before = tapped.connections;
        await assert.rejects(ask(ports[index] ?? 0, name));
        assert.equal(tapped.connections, before);
      });
    }
  }

  for (const [what, sent] of [
    ['HTTP', 'GET / HTTP/1.1\r\nHost: web.test\r\n\r\n'],
    ['bytes that are nothing', '\x00\x01\x02\x03\x04\x05\x06\x07'],
  ] as const) {
    test(`${what}: closed, and the server sees no connection`, async () => {
      const before = tapped.connections;
      assert.equal(await talkRaw(ports[4] ?? 0, sent), '');
      assert.equal(tapped.connections, before);
    });
  }

  test('an edit is in force for the next connection, and leaves open ones alone', async () => {
    const port = ports[0] ?? 0;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const askOnOpen = async () => {
      const sent = request({ host: '127.0.0.1', port, agent, servername: 'web.test', rejectUnauthorized: false }).end();
      const [response]: IncomingMessage[] = await once(sent, 'response');
      response?.resume();
      return { status: response?.statusCode, localPort: sent.socket?.localPort };
    };
    const open = await askOnOpen();
    assert.equal(open.status, 200);
    await assert.rejects(ask(port, 'other.test'));
    serve(0, ['other.test']);
    await eventually(async () => assert.equal((await ask(port, 'other.test')).status, 200));
    await assert.rejects(ask(port, 'web.test'));
    assert.deepEqual(await askOnOpen(), open);
    agent.destroy();
    assert.deepEqual(scene.refusals, []);
  });
});

describe('server names where everything is allowed', needs('envoy'), () => {
  test('a server may speak first', async () => {
    const server = createServer((socket) => socket.on('error', () => {}).write('hello from the server'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const port = await freePort();
    const slot = tlsSlot('open', ['web.test'], { isOpen: true });
    await using _ = await SlotScene.start([{ slot, port, backendPort: address.port }]);
    const isGreeting = (received: string) => received === 'hello from the server';
    await eventually(async () => assert.ok(isGreeting(await talkRaw(port, '', isGreeting))));
    server.close();
  });
});

describe('denials of server names', needs('envoy'), () => {
  for (const [what, audits] of [
    ['are told of', false],
    ['are told of in audit mode once the connection that passed ends', true],
  ] as const) {
    test(what, async () => {
      await using tapped = await TappedBackend.start({ name: 'outside', protocol: 'https', tls: { key: privateKey, cert: certificate } });
      const port = await freePort();
      const slot = tlsSlot('told', ['web.test'], audits ? { audits } : {});
      await using scene = await SlotScene.start([{ slot, port, backendPort: tapped.port }]);
      const ask = (serverName: string) => requestHttp1({ port, host: 'web.test', tls: { serverName } });
      await eventually(() => ask('web.test'));
      const answer = await ask('other.test').catch(() => undefined);
      assert.equal(answer?.status, audits ? 200 : undefined);
      const lines = await eventually(() => {
        const found = readFileSync(scene.logFile, 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('{'));
        assert.equal(found.length, 1, found.join('\n'));
        return found.map((line) => JSON.parse(line));
      });
      const [{ kind, result, serverName, connectionId, audited }] = lines;
      assert.deepEqual([kind, result, serverName, audited], ['sluice.slot', 'denied', 'other.test', audits ? true : undefined]);
      assert.match(connectionId, /^[0-9a-f-]{36}$/);
    });
  }
});
