import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { echoOf } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, secretManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice, type RunningSluiceOptions } from '../../testkit/running-sluice.ts';

const HOST = 'web.test';
/** Connections from this machine itself are told of in other words, so these come from elsewhere, as far as Envoy is told. */
const CLIENT = '198.51.100.20';
const PREAMBLE = `PROXY TCP4 ${CLIENT} 192.0.2.1 40000 443\r\n`;

type Http = NonNullable<RunningSluiceOptions['settings']>['http'];

function sluiceWith(http: Http): RunningSluice {
  const sluice = new RunningSluice({ settings: { http: { proxyProtocol: true, ...http } } });
  before(async () => {
    await sluice.addBackends('web');
    sluice.write('secret.yaml', secretManifest('front', makeCertificate({ names: [HOST] })));
    const annotations = { 'force-https': 'disabled' };
    sluice.write('web.yaml', ingressManifest('web', { rules: { [HOST]: 'web' }, tls: { front: [HOST] }, annotations }));
    await sluice.start();
  });
  after(() => sluice.stop());
  return sluice;
}

/** What the backend learns of the client. */
async function forwarded(sluice: RunningSluice, sent: Readonly<Record<string, string>>) {
  const { headers } = echoOf(await sluice.get(HOST, '/', { headers: sent, preamble: PREAMBLE }));
  return [headers['x-forwarded-for'], headers['x-forwarded-proto'], headers['x-envoy-external-address']];
}

describe('the address of the client', needs('envoy'), () => {
  const sluice = sluiceWith({});

  test('is that of the connection, which is added to what clients say', async () => {
    assert.deepEqual(await forwarded(sluice, {}), [CLIENT, 'http', CLIENT]);
    assert.deepEqual(await forwarded(sluice, { 'x-forwarded-for': '203.0.113.7' }), [`203.0.113.7,${CLIENT}`, 'http', CLIENT]);
  });

  test('and the protocol is that of the connection, whatever clients say', async () => {
    assert.deepEqual(await forwarded(sluice, { 'x-forwarded-proto': 'https' }), [CLIENT, 'http', CLIENT]);
    const { headers } = echoOf(await sluice.getSecure(HOST, '/', { headers: { 'x-forwarded-proto': 'http' }, preamble: PREAMBLE }));
    assert.equal(headers['x-forwarded-proto'], 'https');
  });
});

describe('the address of the client behind one trusted proxy', needs('envoy'), () => {
  const sluice = sluiceWith({ xffTrustedHops: 1, accessLog: 'json' });

  test('is the last that the proxy added', async () => {
    const sent = { 'x-forwarded-for': '198.51.100.9, 203.0.113.7', 'x-forwarded-proto': 'https' };
    assert.deepEqual(await forwarded(sluice, sent), [`198.51.100.9, 203.0.113.7,${CLIENT}`, 'https', '203.0.113.7']);
    await eventually(() => assert.match(sluice.stdout, /"client":"203\.0\.113\.7/));
  });
});

describe('the address of the client where the connection tells nothing', needs('envoy'), () => {
  const sluice = sluiceWith({ useRemoteAddress: false, accessLog: 'json' });

  test('is what X-Forwarded-For says, which is left as it is', async () => {
    const [forwardedFor] = await forwarded(sluice, { 'x-forwarded-for': '203.0.113.7' });
    assert.equal(forwardedFor, '203.0.113.7');
    await eventually(() => assert.match(sluice.stdout, /"client":"203\.0\.113\.7/));
  });

  test('and the path is the one that was asked for, whatever a header says of another', async () => {
    await sluice.get(HOST, '/asked', { headers: { 'x-envoy-original-path': '/healthz' }, preamble: PREAMBLE });
    await eventually(() => assert.match(sluice.stdout, /"path":"\/asked"/));
    assert.doesNotMatch(sluice.stdout, /healthz/);
  });
});

describe('the PROXY protocol', needs('envoy'), () => {
  const sluice = sluiceWith({});
  const version1 = 'PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\r\n';
  const version2 = Buffer.concat([
    Buffer.from('0d0a0d0a000d0a515549540a', 'hex'),
    Buffer.of(0x21, 0x11, 0, 12),
    Buffer.of(203, 0, 113, 8, 198, 51, 100, 1),
    Buffer.of(0x9c, 0x40, 0x01, 0xbb),
  ]);

  for (const [version, preamble, client] of [
    [1, version1, '203.0.113.7'],
    [2, version2, '203.0.113.8'],
  ] as const) {
    test(`version ${version} says who the client is, with TLS and without`, async () => {
      const answers = [await sluice.get(HOST, '/', { preamble }), await sluice.getSecure(HOST, '/', { preamble })];
      assert.deepEqual(
        answers.map((answer) => echoOf(answer).headers['x-forwarded-for']),
        [client, client],
      );
    });
  }

  test('a connection without it is refused', async () => {
    await assert.rejects(sluice.get(HOST));
    await assert.rejects(sluice.getSecure(HOST));
  });
});

describe('the access log', needs('envoy'), () => {
  const sluice = sluiceWith({ accessLog: 'json' });

  test('is one JSON object a request on standard output', async () => {
    const headers = { 'user-agent': 'tester "1"\n'.trim(), 'x-request-id': 'some-id' };
    await sluice.get(HOST, '/logged?x=1', { headers, method: 'POST', body: '12345', preamble: PREAMBLE });
    await sluice.get('nobody.test', '/unknown', { preamble: PREAMBLE });
    await sluice.getSecure(HOST, '/secure', { preamble: PREAMBLE });
    const lines = await eventually(() => {
      const found = sluice.stdout.split('\n').filter((line) => line !== '');
      assert.equal(found.length, 3, sluice.stdout);
      return found.map((line) => JSON.parse(line));
    });
    const [logged, unknown, secure] = ['/logged', '/unknown', '/secure'].map((path) => lines.find((line) => line.path === path));
    const { time, durationMs, client, upstream, requestId, bytesSent, ...rest } = logged;
    assert.deepEqual(rest, {
      method: 'POST',
      authority: HOST,
      path: '/logged',
      protocol: 'HTTP/1.1',
      status: 200,
      details: 'via_upstream',
      flags: '-',
      bytesReceived: 5,
      forwardedFor: CLIENT,
      serverName: null,
      userAgent: 'tester "1"',
      route: 'default/web',
      cluster: 'default:web:80',
    });
    assert.equal(client, `${CLIENT}:40000`);
    assert.match(upstream, /^127\.0\.0\.1:\d+$/);
    assert.ok(
      Number.isFinite(Date.parse(time)) && Number.isInteger(durationMs) && bytesSent > 0 && requestId.length > 0,
      JSON.stringify(logged),
    );
    assert.deepEqual([unknown.status, unknown.flags, unknown.cluster], [404, 'NR', null]);
    assert.deepEqual([secure.serverName, secure.authority], [HOST, HOST]);
  });
});
