import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { freePort } from '../../testkit/ports.ts';
import { talkRaw } from './testing/raw-talk.ts';
import { SlotScene } from './testing/slot-scene.ts';
import { httpSlot, type RuleText, tlsSlot } from './testing/slots.ts';
import { TappedBackend } from './testing/tapped-backend.ts';

const HOST = 'web.test';

/** What Envoy wrote of a request. */
function lineOf(scene: SlotScene, id: string): Promise<Record<string, unknown>> {
  return lineWith(scene, `"requestId":"${id}"`);
}

function lineWith(scene: SlotScene, part: string): Promise<Record<string, unknown>> {
  return eventually(() => {
    const lines = readFileSync(scene.logFile, 'utf8').split('\n');
    const line = lines.find((each) => each.includes(part));
    assert.ok(line);
    return JSON.parse(line);
  });
}

const SLOTS: readonly { readonly name: string; readonly rules: readonly RuleText[]; readonly allowed?: string }[] = [
  { name: 'paths', rules: [{ path: '/a' }], allowed: '/a' },
  { name: 'expressions', rules: [{ path: '/a[0-9]+', method: 'GET' }], allowed: '/a1' },
  { name: 'nothing', rules: [] },
  {
    name: 'headers',
    rules: [{ path: '/a', headers: [{ name: 'x-team', value: { kind: 'literal', text: 'red' }, mismatch: 'replace' }] }],
    allowed: '/a',
  },
];

describe('requests in audit mode', needs('envoy'), () => {
  const ports: number[] = [];
  let backend: TappedBackend;
  let scene: SlotScene;
  const slotOf = ({ name, rules }: (typeof SLOTS)[number], index: number) => ({
    slot: httpSlot(name, rules, { audits: true }),
    port: ports[index] ?? 0,
    backendPort: backend.port,
  });

  before(async () => {
    backend = await TappedBackend.start();
    for (const _ of SLOTS) ports.push(await freePort());
    scene = await SlotScene.start(SLOTS.map(slotOf));
    for (const port of ports) await eventually(() => requestHttp1({ port, host: HOST }));
  });
  after(async () => {
    await scene?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  for (const [index, { name, allowed }] of SLOTS.entries()) {
    test(`${name}: what is not allowed passes, and is logged as that`, async () => {
      const port = ports[index] ?? 0;
      const { status } = await requestHttp1({ port, host: HOST, path: '/other?b=c', headers: { 'x-request-id': `${name}-1` } });
      assert.equal(status, 200);
      const { slot, path, result, audited, status: logged } = await lineOf(scene, `${name}-1`);
      assert.deepEqual(
        { slot, path, result, audited, logged },
        {
          slot: `http/ingress/${name}`,
          path: '/other',
          result: 'denied',
          audited: true,
          logged: 200,
        },
      );
    });

    if (allowed === undefined) continue;
    test(`${name}: what is allowed is not logged`, async () => {
      const port = ports[index] ?? 0;
      const ids = [`${name}-2`, `${name}-3`];
      assert.equal((await requestHttp1({ port, host: HOST, path: allowed, headers: { 'x-request-id': ids[0] ?? '' } })).status, 200);
      await requestHttp1({ port, host: HOST, path: '/other', headers: { 'x-request-id': ids[1] ?? '' } });
      await lineOf(scene, ids[1] ?? '');
      assert.ok(!readFileSync(scene.logFile, 'utf8').includes(ids[0] ?? ''));
    });
  }

  test('what is allowed goes on as it was sent, also where a rule would change it', async () => {
    backend.takeRaw();
    const headers = { 'x-team': 'blue' };
    assert.equal((await requestHttp1({ port: ports[3] ?? 0, host: HOST, path: '/a', headers })).status, 200);
    assert.match(backend.takeRaw(), /^x-team: blue\r\n/m);
  });

  test('what has no id has one for those who are told of it, and none for the server', async () => {
    backend.takeRaw();
    assert.equal((await requestHttp1({ port: ports[0] ?? 0, host: HOST, path: '/without-id' })).status, 200);
    assert.match(backend.takeRaw(), /^GET \/without-id HTTP\/1\.1\r\nhost: web\.test\r\n\r\n$/);
    const { requestId } = await lineWith(scene, '"path":"/without-id"');
    assert.match(String(requestId), /^[0-9a-f-]{36}$/);
  });

  test('what is refused whatever rules say passes as well', async () => {
    const port = ports[0] ?? 0;
    const { status } = await requestHttp1({ port, host: `${HOST},other.test`, path: '/a', headers: { 'x-request-id': 'hosts' } });
    assert.equal(status, 200);
    assert.equal((await lineOf(scene, 'hosts'))['result'], 'denied');
  });

  test('the end of audit mode is another slot; rules are in force there', async () => {
    const port = await freePort();
    scene.serve(...SLOTS.map(slotOf), { slot: httpSlot('enforced', [{ path: '/a' }]), port, backendPort: backend.port });
    await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, path: '/other' })).status, 403));
  });
});

describe('server names in audit mode', needs('envoy'), () => {
  const { certificate, privateKey } = makeCertificate({ names: ['localhost'] });

  test('what names another server passes', async () => {
    await using outside = await TappedBackend.start({ name: 'outside', protocol: 'https', tls: { key: privateKey, cert: certificate } });
    const port = await freePort();
    const slot = tlsSlot('audited', ['web.test'], { audits: true });
    await using _ = await SlotScene.start([{ slot, port, backendPort: outside.port }]);
    for (const serverName of ['web.test', 'other.test']) {
      await eventually(async () => assert.equal((await requestHttp1({ port, host: HOST, tls: { serverName } })).status, 200));
    }
  });

  test('a server that speaks first is heard', async () => {
    const server = createServer((socket) => socket.end('220 ready\r\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = await freePort();
    const slot = tlsSlot('first', ['web.test'], { audits: true });
    const backendPort = typeof address === 'object' && address ? address.port : 0;
    await using _ = await SlotScene.start([{ slot, port, backendPort }]);
    try {
      await eventually(async () => assert.match(await talkRaw(port, '', (so) => so.includes('ready')), /^220 ready/));
    } finally {
      server.close();
    }
  });
});
