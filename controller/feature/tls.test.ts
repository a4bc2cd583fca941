import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { presentedCertificate, requestHttp2 } from '../../testkit/http-request.ts';
import { type MadeCertificate, makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, secretManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

const DAY_MS = 24 * 3_600_000;
/** More than there were filter chains for in a proxy that fell over its ninth. */
const MANY = 12;

function certificateFor(...names: readonly string[]): MadeCertificate {
  return makeCertificate({ commonName: names[0] ?? '', names });
}

describe('TLS', needs('envoy'), () => {
  const sluice = new RunningSluice();
  const shop = certificateFor('shop.test');
  const wild = certificateFor('*.wild.test');
  const any = certificateFor('any.test');

  before(async () => {
    await sluice.addBackends('web');
    sluice.write(
      'shop.yaml',
      secretManifest('shop', shop),
      ingressManifest('shop', { rules: { 'shop.test': 'web' }, tls: { shop: ['shop.test'] } }),
    );
    sluice.write(
      'wild.yaml',
      secretManifest('wild', wild),
      ingressManifest('wild', { rules: { '*.wild.test': 'web' }, tls: { wild: ['*.wild.test'] } }),
    );
    await sluice.start();
  });
  after(() => sluice.stop());

  /** Trusting nobody but the certificate that is expected. */
  async function whoAnswers(host: string, { certificate }: MadeCertificate): Promise<string> {
    const { backend, status } = await sluice.getSecure(host, '/', { tls: { ca: certificate } });
    return backend ?? String(status);
  }

  async function presented(serverName: string): Promise<string> {
    return (await presentedCertificate({ port: sluice.httpsPort, serverName })).fingerprint256;
  }

  function fingerprintOf({ certificate }: MadeCertificate): string {
    return new X509Certificate(certificate).fingerprint256;
  }

  test('each server name gets its own certificate', async () => {
    assert.equal(await whoAnswers('shop.test', shop), 'web');
    assert.equal(await whoAnswers('a.wild.test', wild), 'web');
    assert.equal((await requestHttp2({ port: sluice.httpsPort, host: 'shop.test', tls: { ca: shop.certificate } })).backend, 'web');
  });

  test('a connection for nobody is refused, until a TLS entry without hosts takes it; others keep their own', async () => {
    await assert.rejects(presented('nobody.test'));
    sluice.write('any.yaml', secretManifest('any', any), ingressManifest('any', { rules: { 'any.test': 'web' }, tls: { any: [] } }));
    await sluice.settled();
    assert.equal(await presented('nobody.test'), fingerprintOf(any));
    assert.equal(await presented(''), fingerprintOf(any));
    assert.equal(await whoAnswers('any.test', any), 'web');
    assert.equal(await presented('shop.test'), fingerprintOf(shop));
    assert.equal(await presented('a.wild.test'), fingerprintOf(wild));
  });

  test('a certificate is exchanged without a restart', async () => {
    const { envoy } = await sluice.status();
    const renewed = certificateFor('shop.test');
    sluice.write(
      'shop.yaml',
      secretManifest('shop', renewed),
      ingressManifest('shop', { rules: { 'shop.test': 'web' }, tls: { shop: ['shop.test'] } }),
    );
    await sluice.settled();
    assert.equal(await whoAnswers('shop.test', renewed), 'web');
    assert.equal(await presented('a.wild.test'), fingerprintOf(wild));
    assert.equal((await sluice.status()).envoy?.pid, envoy?.pid);
  });

  test('many TLS Ingresses, each with its certificate', async () => {
    const certificates = Array.from({ length: MANY }, (_, index) => certificateFor(`tls-${index}.test`));
    const objects = certificates.flatMap((certificate, index) => {
      const name = `tls-${index}`;
      return [
        secretManifest(name, certificate),
        ingressManifest(name, { rules: { [`${name}.test`]: 'web' }, tls: { [name]: [`${name}.test`] } }),
      ];
    });
    sluice.write('many.yaml', ...objects);
    await sluice.settled();
    const answers = await Promise.all(certificates.map((certificate) => whoAnswers(certificate.commonName, certificate)));
    assert.deepEqual(answers, new Array(MANY).fill('web'));
  });

  const good = certificateFor('bad.test');
  const expired = makeCertificate({
    names: ['bad.test'],
    notBefore: new Date(Date.now() - 9 * DAY_MS),
    notAfter: new Date(Date.now() - DAY_MS),
  });
  const broken = {
    'a key of another certificate': { ...good, privateKey: shop.privateKey },
    'a key that is none': { ...good, privateKey: 'no key' },
    'no certificate': { ...good, certificate: '' },
    'half a certificate': { ...good, certificate: good.certificate.slice(0, 200) },
  };
  for (const [what, pair] of Object.entries(broken)) {
    test(`a Secret with ${what} harms nobody`, async () => {
      sluice.write(
        'bad.yaml',
        secretManifest('bad', pair),
        ingressManifest('bad', { rules: { 'bad.test': 'web' }, tls: { bad: ['bad.test'] } }),
      );
      await sluice.settled();
      assert.deepEqual(await sluice.findings(), [
        'Ingress/bad CertificateUnusable',
        'Ingress/bad ServedInPlaintext',
        'Secret/bad InvalidCertificate',
      ]);
      assert.equal(await presented('bad.test'), fingerprintOf(any), 'the connection is nobody’s');
      assert.equal(await whoAnswers('a.wild.test', wild), 'web');
      assert.equal(await sluice.whoAnswers('bad.test'), 'web');
    });
  }

  test('a Secret that is put right is served at once', async () => {
    sluice.write(
      'bad.yaml',
      secretManifest('bad', good),
      ingressManifest('bad', { rules: { 'bad.test': 'web' }, tls: { bad: ['bad.test'] } }),
    );
    await sluice.settled();
    assert.equal(await whoAnswers('bad.test', good), 'web');
    assert.deepEqual(await sluice.findings(), []);
  });

  test('a certificate that has expired is served and told of', async () => {
    sluice.write(
      'bad.yaml',
      secretManifest('bad', expired),
      ingressManifest('bad', { rules: { 'bad.test': 'web' }, tls: { bad: ['bad.test'] } }),
    );
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), ['Secret/bad CertificateExpired']);
    assert.equal(await presented('bad.test'), fingerprintOf(expired));
    await assert.rejects(whoAnswers('bad.test', expired), { code: 'CERT_HAS_EXPIRED' });
    assert.equal(await whoAnswers('a.wild.test', wild), 'web');
  });

  test('a Secret that is missing harms nobody, and changes of others go on', async () => {
    sluice.write('bad.yaml', ingressManifest('bad', { rules: { 'bad.test': 'web' }, tls: { bad: ['bad.test'] } }));
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), ['Ingress/bad SecretNotFound', 'Ingress/bad ServedInPlaintext']);
    sluice.write(
      'more.yaml',
      secretManifest('more', good),
      ingressManifest('more', { rules: { 'more.test': 'web' }, tls: { more: ['more.test'] } }),
    );
    await sluice.settled();
    assert.equal(await presented('more.test'), fingerprintOf(good));
    assert.equal(await whoAnswers('a.wild.test', wild), 'web');
  });
});
