import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { requestHttp2 } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { type IngressManifest, ingressManifest, secretManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

const HOSTS = ['tls.test', 'off.test', 'shared.test', '*.wild.test'];

function forced(value: string, options: IngressManifest): IngressManifest {
  return { ...options, annotations: { 'force-https': value } };
}

const INGRESSES: Readonly<Record<string, IngressManifest>> = {
  tls: { rules: { 'tls.test': 'web', '*.wild.test': 'web' }, tls: { certificate: ['tls.test', '*.wild.test'] } },
  off: forced('disabled', { rules: { 'off.test': 'web' }, tls: { certificate: ['off.test'] } }),
  plain: { rules: { 'plain.test': 'web' } },
  asked: forced('enabled', { rules: { 'asked.test': 'web' } }),
  mixed: { rules: { 'covered.test': 'web', 'uncovered.test': 'web' }, tls: { certificate: ['covered.test'] } },
  // Two that share a host: what one asks for is not done to the other.
  forces: forced('true', { rules: { 'shared.test': [{ path: '/forced', service: 'web' }] }, tls: { certificate: ['shared.test'] } }),
  allows: forced('false', { rules: { 'shared.test': [{ path: '/', service: 'other' }] }, tls: { certificate: ['shared.test'] } }),
  missing: { rules: { 'missing.test': 'web' }, tls: { nowhere: ['missing.test'] } },
  insists: forced('enabled', { rules: { 'insists.test': 'web' }, tls: { nowhere: ['insists.test'] } }),
};

describe('force-https', needs('envoy'), () => {
  const sluice = new RunningSluice();
  before(async () => {
    await sluice.addBackends('web', 'other');
    sluice.write('certificate.yaml', secretManifest('certificate', makeCertificate({ names: [...HOSTS, 'covered.test'] })));
    for (const [name, options] of Object.entries(INGRESSES)) sluice.write(`${name}.yaml`, ingressManifest(name, options));
    await sluice.start();
  });
  after(() => sluice.stop());

  async function redirect(host: string, path: string): Promise<readonly [number, string | undefined]> {
    const { status, headers } = await sluice.get(host, path);
    return [status, headers.location];
  }

  test('a host with TLS is redirected to the port for HTTPS, with path and query', async () => {
    const port = sluice.httpsPort;
    assert.deepEqual(await redirect('tls.test', '/x/y?z=%20'), [308, `https://tls.test:${port}/x/y?z=%20`]);
    assert.deepEqual(await redirect(`tls.test:${sluice.httpPort}`, '/'), [308, `https://tls.test:${port}/`]);
    assert.deepEqual(await redirect('a.wild.test', '/'), [308, `https://a.wild.test:${port}/`]);
    const { status, headers } = await requestHttp2({ port: sluice.httpPort, host: 'tls.test', method: 'POST', body: 'content' });
    assert.deepEqual([status, headers.location], [308, `https://tls.test:${port}/`]);
  });

  test('what arrives over TLS is served', async () => {
    for (const host of ['tls.test', 'a.wild.test', 'off.test']) assert.equal((await sluice.getSecure(host)).backend, 'web', host);
  });

  test('a host without TLS is not, whatever its Ingress has elsewhere or asks for', async () => {
    for (const host of ['plain.test', 'off.test', 'uncovered.test', 'asked.test']) assert.equal(await sluice.whoAnswers(host), 'web', host);
    assert.equal(await sluice.whoAnswers('covered.test'), '308');
  });

  test('it does not leak to another Ingress with the same host', async () => {
    assert.equal(await sluice.whoAnswers('shared.test', '/forced'), '308');
    assert.equal(await sluice.whoAnswers('shared.test', '/'), 'other');
    assert.equal((await sluice.getSecure('shared.test', '/forced')).backend, 'web');
    assert.equal((await sluice.getSecure('shared.test', '/')).backend, 'other');
  });

  test('without a usable certificate only who asked for it is redirected', async () => {
    assert.equal(await sluice.whoAnswers('missing.test'), 'web');
    assert.equal(await sluice.whoAnswers('insists.test'), '308');
    const found = await sluice.findings();
    assert.ok(
      found.includes('Ingress/missing ServedInPlaintext') && found.includes('Ingress/insists RedirectWithoutCertificate'),
      `${found}`,
    );
  });
});

describe('force-https that the settings do not ask for', needs('envoy'), () => {
  const sluice = new RunningSluice({ settings: { ingress: { enforceHttps: false } } });
  before(async () => {
    await sluice.addBackends('web', 'other');
    sluice.write('certificate.yaml', secretManifest('certificate', makeCertificate({ names: HOSTS })));
    for (const name of ['tls', 'forces'] as const) sluice.write(`${name}.yaml`, ingressManifest(name, INGRESSES[name] ?? {}));
    await sluice.start();
  });
  after(() => sluice.stop());

  test('is done where an Ingress does', async () => {
    assert.equal(await sluice.whoAnswers('tls.test'), 'web');
    assert.equal(await sluice.whoAnswers('shared.test', '/forced'), '308');
  });
});
