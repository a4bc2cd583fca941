import assert from 'node:assert/strict';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import {
  type Authority,
  controllerProfile,
  identifyClient,
  issueWithKey,
  type KeyedCertificate,
  makeAuthority,
  NODES_SERVER_NAME,
  nodeProfile,
  observerProfile,
  servingNodeProfile,
} from '../../pki/index.ts';
import { MutualTlsCredentials } from '../../xds-server/serve/index.ts';
import { listenForMetrics, type MetricsListener } from './metrics-listener.ts';

describe('metrics for others', () => {
  let authority: Authority;
  let credentials: MutualTlsCredentials;
  let listener: MetricsListener;
  let asked = 0;
  before(async () => {
    authority = await makeAuthority();
    credentials = new MutualTlsCredentials(await servedBy(authority));
    const pages = {
      '/metrics': async () => `sluice_ready ${++asked}\n`,
      '/broken': () => Promise.reject(new Error('hush')),
    };
    const identify = identifyClient({ clients: ['spiffe://sluice.io/observer/*'], may: 'ask for metrics', setting: 'metrics.clients' });
    listener = await listenForMetrics({ host: '127.0.0.1', port: 0, credentials, identify, pages });
  });
  after(() => listener.close());

  async function servedBy(by: Authority) {
    return { ...(await issueWithKey(by, servingNodeProfile('n1'))), authorities: by.certificate };
  }

  /** Status and text, or the code of what went wrong. */
  async function ask(own: KeyedCertificate | undefined, { path = '/metrics', method = 'GET', trusted = authority, plain = false } = {}) {
    const tls = { ca: trusted.certificate, servername: NODES_SERVER_NAME, ...(own && { cert: own.certificate, key: own.privateKey }) };
    if (plain) return await fetch(`http://127.0.0.1:${listener.port}${path}`).then(({ status }) => [status], String);
    return await new Promise<readonly [number | undefined, string]>((resolve) => {
      const sent = request({ host: '127.0.0.1', port: listener.port, path, method, agent: false, ...tls }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve([response.statusCode, text]));
      });
      sent.on('error', (error: Error & { readonly code?: string }) => resolve([undefined, error.code ?? error.message]));
      sent.end();
    });
  }

  const observer = () => issueWithKey(authority, observerProfile('prometheus'));

  test('who has a certificate for it is told, and however often it asks, little is read', async () => {
    const own = await observer();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(own)));
    for (const [status, text] of answers) assert.deepEqual([status, String(text).replace(/\d+/, 'N')], [200, 'sluice_ready N\n']);
    assert.ok(asked < 10, `${asked}`);
  });

  for (const [who, own, expected] of [
    [
      'a node',
      () => issueWithKey(authority, nodeProfile('n2')),
      /spiffe:\/\/sluice\.io\/node\/n2 may not ask for metrics: see the setting metrics\.clients/,
    ],
    ['nobody', async () => undefined, /CERTIFICATE_REQUIRED|ECONNRESET/],
    ['a server', () => issueWithKey(authority, controllerProfile()), /ECONNRESET|socket hang up/],
    [
      'somebody of another authority',
      async () => issueWithKey(await makeAuthority(), observerProfile('prometheus')),
      /ECONNRESET|socket hang up/,
    ],
  ] as const) {
    test(`${who} is told nothing`, async () => {
      const [status, text] = await ask(await own());
      assert.match(String(text), expected);
      assert.equal(status, who === 'a node' ? 403 : undefined);
    });
  }

  test('without TLS nobody is told anything', async () => {
    assert.match(String(await ask(undefined, { plain: true })), /fetch failed/);
  });

  test('there is nothing else, nothing can be changed, and what fails says no more than that', async () => {
    const own = await observer();
    for (const path of ['/', '/status', '/snapshot']) assert.equal((await ask(own, { path }))[0], 404, path);
    assert.equal((await ask(own, { method: 'POST' }))[0], 405);
    assert.deepEqual(await ask(own, { path: '/broken' }), [503, 'not to be had at present\n']);
  });

  test('certificates that are replaced are those of the next connections', async () => {
    const next = await makeAuthority();
    credentials.replace(await servedBy(next));
    assert.equal((await ask(await issueWithKey(next, observerProfile('prometheus')), { trusted: next }))[0], 200);
    assert.equal((await ask(await observer(), { trusted: next }))[0], undefined);
    credentials.replace(await servedBy(authority));
    assert.equal((await ask(await observer()))[0], 200);
  });
});
