import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { requestHttp1 } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, secretManifest } from '../../testkit/manifest-objects.ts';
import { freePorts } from '../../testkit/ports.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';

describe('ports', needs('envoy'), () => {
  const sluice = new RunningSluice();
  const own = makeCertificate({ commonName: 'own', names: ['own.test', 'dedicated.test', 'shared.test'] });
  let [ownPort, takenPort]: readonly number[] = [];

  before(async () => {
    [ownPort, takenPort] = await freePorts(2);
    await sluice.addBackends('web', 'other');
    sluice.write('secret.yaml', secretManifest('own', own));
    sluice.write('web.yaml', ingressManifest('web', { rules: { 'web.test': 'web' } }));
    await sluice.start();
  });
  after(() => sluice.stop());

  async function whoAnswersAt(port: number | undefined, host: string, tls?: { readonly ca: string }): Promise<string> {
    const { backend, status, headers } = await requestHttp1({ port: port ?? 0, host, ...(tls && { tls }) });
    return backend ?? headers.location ?? String(status);
  }

  test('dedicated and shared Ingresses share the ports', async () => {
    for (const mode of ['dedicated', 'shared']) {
      const annotations = { 'loadbalancer-mode': mode };
      const options = {
        rules: { [`${mode}.test`]: 'web' },
        tls: { own: [`${mode}.test`] },
        annotations: { ...annotations, 'force-https': 'false' },
      };
      sluice.write(`${mode}.yaml`, ingressManifest(mode, options));
    }
    await sluice.settled();
    for (const mode of ['dedicated', 'shared']) {
      assert.equal(await sluice.whoAnswers(`${mode}.test`), 'web');
      assert.equal((await sluice.getSecure(`${mode}.test`)).backend, 'web');
    }
  });

  test('host-listener-port is a port of its own, with TLS and without', async () => {
    const options = { rules: { 'own.test': 'other' }, tls: { own: ['own.test'] } };
    const annotations = { 'host-listener-port': String(ownPort) };
    sluice.write('own.yaml', ingressManifest('own', { ...options, annotations: { ...annotations, 'force-https': 'false' } }));
    await sluice.settled();
    assert.equal(await whoAnswersAt(ownPort, 'own.test'), 'other');
    assert.equal(await whoAnswersAt(ownPort, 'own.test', { ca: own.certificate }), 'other');
    assert.equal(await whoAnswersAt(ownPort, 'web.test'), '404');
    assert.equal(await sluice.whoAnswers('own.test'), '404');
    sluice.write('own.yaml', ingressManifest('own', { ...options, annotations }));
    await sluice.settled();
    assert.equal(await whoAnswersAt(ownPort, 'own.test'), `https://own.test:${ownPort}/`);
    assert.equal(await whoAnswersAt(ownPort, 'own.test', { ca: own.certificate }), 'other');
  });

  test('a port that no Ingress wants any more is closed', async () => {
    sluice.remove('own.yaml');
    await sluice.settled();
    await eventually(async () => await assert.rejects(whoAnswersAt(ownPort, 'own.test'), { code: 'ECONNREFUSED' }));
    assert.equal(await sluice.whoAnswers('web.test'), 'web');
  });

  test('a port of Sluice itself is refused', async () => {
    const annotations = { 'host-listener-port': String(sluice.httpPort) };
    sluice.write('own.yaml', ingressManifest('own', { rules: { 'own.test': 'other' }, annotations }));
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), ['Ingress/own InvalidHostPort']);
    assert.equal(await sluice.whoAnswers('web.test'), 'web');
    sluice.remove('own.yaml');
    await sluice.settled();
  });

  test('a port that another process holds is told of, and harms nobody', async () => {
    const holder = createServer().listen({ host: '127.0.0.1', port: takenPort }).unref();
    await once(holder, 'listening');
    const annotations = { 'host-listener-port': String(takenPort) };
    sluice.write('own.yaml', ingressManifest('own', { rules: { 'own.test': 'other', 'x.test': 'other' }, annotations }));
    sluice.write('web.yaml', ingressManifest('web', { rules: { 'web.test': 'other' } }));
    await eventually(async () => assert.deepEqual(await sluice.findings(), ['Ingress/own RejectedByEnvoy']));
    const [diagnostic] = await sluice.diagnostics();
    assert.match(diagnostic?.message ?? '', new RegExp(`${takenPort}.*Address already in use`, 'i'));
    assert.deepEqual(diagnostic?.path, ['metadata', 'annotations', 'ingress.cilium.io/host-listener-port']);
    assert.equal(await sluice.whoAnswers('web.test'), 'other');
    holder.close();
    await once(holder, 'close');
    sluice.remove('own.yaml');
    await sluice.settled();
    assert.deepEqual(await sluice.findings(), []);
    sluice.write('own.yaml', ingressManifest('own', { rules: { 'own.test': 'other' }, annotations }));
    await sluice.settled();
    await eventually(async () => assert.equal(await whoAnswersAt(takenPort, 'own.test'), 'other'));
  });
});
