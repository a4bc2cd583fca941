import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { type Answer, echoOf, requestHttp1, requestHttp2 } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, secretManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

/** So many that the route tables are divided, which must not make a difference to anybody. */
const MANY_HOSTS = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`filler-${index}.test`, 'named']));
const SIZES = { 'a few hosts': {}, 'a few hundred hosts': MANY_HOSTS };

const CASES: readonly (readonly [host: string, path: string, answer: string])[] = [
  ['web.test', '/app', 'named'],
  ['WEB.Test', '/app', 'named'],
  ['web.test:8080', '/app', 'named'],
  ['Web.Test:80', '/app', 'named'],
  ['web.test.', '/app', 'named'],
  ['web.test.:8080', '/app', 'named'],
  ['web.test', '/hostless', 'hostless'],
  ['web.test', '/other', 'default'],
  ['WEB.test:81', '/other', 'default'],
  ['a.wild.test', '/app', 'wild'],
  ['A.Wild.Test', '/app', 'wild'],
  ['a.wild.test:8080', '/app', 'wild'],
  ['A.wild.test:8080', '/app', 'wild'],
  ['a.wild.test.', '/app', 'wild'],
  ['a.wild.test', '/hostless', 'hostless'],
  ['a.wild.test', '/other', 'default'],
  ['exact.wild.test', '/exact', 'named'],
  ['EXACT.wild.test:82', '/exact', 'named'],
  ['exact.wild.test', '/app', 'wild'],
  ['exact.wild.test', '/other', 'default'],
  ['a.b.wild.test', '/app', 'default'],
  ['A.B.Wild.test:8080', '/app', 'default'],
  ['a.b.wild.test', '/hostless', 'hostless'],
  ['a.exact.wild.test', '/exact', 'default'],
  ['wild.test', '/app', 'default'],
  ['.wild.test', '/app', 'default'],
  ['unknown.test', '/app', 'default'],
  ['unknown.test', '/hostless', 'hostless'],
  ['127.0.0.1:8080', '/hostless', 'hostless'],
  ['[::1]:8080', '/app', 'default'],
  ['*', '/app', 'default'],
  ['*', '/hostless', 'hostless'],
  ['*.wild.test', '/app', 'wild'],
];

for (const [size, fillers] of Object.entries(SIZES)) {
  describe(`hosts, among ${size}`, needs('envoy'), () => {
    const sluice = new RunningSluice();
    const rules = {
      'web.test': [{ path: '/app', service: 'named' }],
      '*.wild.test': [{ path: '/app', service: 'wild' }],
      'exact.wild.test': [{ path: '/exact', service: 'named' }],
      '': [{ path: '/hostless', service: 'hostless' }],
      ...fillers,
    };

    before(async () => {
      await sluice.addBackends('named', 'wild', 'hostless', 'default');
      sluice.write('any-tls.yaml', secretManifest('any', makeCertificate({ names: ['web.test'] })));
      sluice.write('hosts.yaml', ingressManifest('hosts', { rules, tls: { any: [] }, annotations: { 'force-https': 'disabled' } }));
      sluice.write('default.yaml', ingressManifest('default', { defaultBackend: 'default' }));
      await sluice.start();
    });
    after(() => sluice.stop());

    const ways: Readonly<Record<string, (host: string, path: string) => Promise<Answer>>> = {
      'HTTP/1.1': async (host, path) => await requestHttp1({ port: sluice.httpPort, host, path }),
      'HTTP/2': async (host, path) => await requestHttp2({ port: sluice.httpPort, host, path }),
      'HTTP/1.1 over TLS': async (host, path) =>
        await requestHttp1({ port: sluice.httpsPort, host, path, tls: { serverName: 'web.test' } }),
      'HTTP/2 over TLS': async (host, path) => await requestHttp2({ port: sluice.httpsPort, host, path, tls: { serverName: 'web.test' } }),
    };

    test('are as many as they say', async () => {
      assert.equal((await sluice.listener('http')).includes('scopedRoutes'), fillers === MANY_HOSTS);
    });

    for (const [way, send] of Object.entries(ways)) {
      test(`the route is that of the host: ${way}`, async () => {
        const answers = await Promise.all(CASES.map(async ([host, path]) => [host, path, (await send(host, path)).backend]));
        assert.deepEqual(answers, CASES);
      });
    }

    test('a host that is empty is every host', async () => {
      assert.equal(await sluice.whoAnswers('', '/hostless'), 'hostless');
      assert.equal(await sluice.whoAnswers('', '/app'), 'default');
    });

    test('clients choose no route by other headers', async () => {
      const headers = { 'x-sluice-host': 'a.wild.test' };
      for (const host of ['*', 'unknown.test', 'UNKNOWN.test', 'a.b.wild.test']) {
        assert.equal(await sluice.whoAnswers(host, '/app', { headers }), 'default', host);
      }
      assert.equal(await sluice.whoAnswers('a.wild.test', '/app', { headers: { 'x-sluice-host': 'unknown.test' } }), 'wild');
      assert.equal(await sluice.whoAnswers('Web.test', '/app', { headers: { 'x-sluice-host': 'unknown.test' } }), 'named');
    });

    test('the backend receives the host as it was sent, and nothing of how it was found', async () => {
      for (const host of ['web.test', 'Web.Test:80', 'a.wild.test:8080', 'A.Wild.test', 'unknown.test', '*']) {
        const { headers } = echoOf(await sluice.get(host, '/hostless'));
        assert.deepEqual([headers['host'], headers['x-sluice-host']], [host, undefined]);
      }
    });

    test('without a default backend there is no answer for the rest', async () => {
      sluice.remove('default.yaml');
      await sluice.settled();
      const left = CASES.map(([host, path, answer]) => [host, path, answer === 'default' ? 404 : answer]);
      const answers = await Promise.all(
        CASES.map(async ([host, path]) => {
          const { backend, status } = await sluice.get(host, path);
          return [host, path, backend ?? status];
        }),
      );
      assert.deepEqual(answers, left);
    });
  });
}
