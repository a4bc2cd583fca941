import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { echoOf, presentedCertificate } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, secretManifest, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

const PASSTHROUGH = { 'tls-passthrough': 'enabled' };

describe('tls-passthrough', needs('envoy'), () => {
  const sluice = new RunningSluice();
  const inside = makeCertificate({ commonName: 'inside', names: ['through.test', '*.wild.test'] });
  const front = makeCertificate({ commonName: 'front', names: ['front.test', 'exact.wild.test'] });

  before(async () => {
    const { port } = await sluice.startBackend({
      name: 'inside',
      protocol: 'https',
      tls: { key: inside.privateKey, cert: inside.certificate },
    });
    await sluice.addBackends('web');
    sluice.write('inside.yaml', serviceManifest('inside', [{ port: 443 }]), sliceManifest('inside', port));
    sluice.write('front.yaml', secretManifest('front', front));
    const hosts = ['front.test', 'exact.wild.test'];
    sluice.write('web.yaml', ingressManifest('web', { rules: { 'front.test': 'web', 'exact.wild.test': 'web' }, tls: { front: hosts } }));
    const toInside = [{ service: 'inside', port: 443 }];
    const rules = { 'through.test': toInside, '*.wild.test': toInside };
    sluice.write('through.yaml', ingressManifest('through', { rules, annotations: PASSTHROUGH }));
    await sluice.start();
  });
  after(() => sluice.stop());

  test('the client sees the certificate of the backend, and the backend the name that the client sent', async () => {
    for (const host of ['through.test', 'a.wild.test']) {
      const answer = await sluice.getSecure(host, '/x', { tls: { ca: inside.certificate } });
      assert.deepEqual([answer.backend, echoOf(answer).tls?.sni], ['inside', host]);
    }
  });

  test('a wildcard stands for one label', async () => {
    await assert.rejects(presentedCertificate({ port: sluice.httpsPort, serverName: 'a.b.wild.test' }));
    await assert.rejects(presentedCertificate({ port: sluice.httpsPort, serverName: 'wild.test' }));
  });

  test('it concerns no other Ingress', async () => {
    const presented = await presentedCertificate({ port: sluice.httpsPort, serverName: 'exact.wild.test' });
    assert.equal(presented.fingerprint256, new X509Certificate(front.certificate).fingerprint256);
    for (const host of ['front.test', 'exact.wild.test']) {
      assert.equal((await sluice.getSecure(host, '/', { tls: { ca: front.certificate } })).backend, 'web', host);
    }
  });

  test('plain HTTP is not served for its hosts', async () => assert.equal(await sluice.whoAnswers('through.test'), '404'));

  test('a rule that cannot be passed through is left out alone', async () => {
    sluice.write(
      'wrong.yaml',
      ingressManifest('wrong', {
        rules: {
          '': [{ service: 'inside', port: 443 }],
          'path.test': [{ path: '/x', service: 'inside', port: 443 }],
          'right.test': [{ service: 'inside', port: 443 }],
        },
        defaultBackend: 'web',
        annotations: PASSTHROUGH,
      }),
    );
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), new Array(3).fill('Ingress/wrong InvalidPassthrough'));
    assert.equal((await sluice.getSecure('right.test')).backend, 'inside');
    await assert.rejects(sluice.getSecure('path.test'));
    assert.equal((await sluice.getSecure('through.test')).backend, 'inside');
    assert.equal((await sluice.getSecure('front.test')).backend, 'web');
    assert.equal(await sluice.whoAnswers('unknown.test'), '404');
  });
});
