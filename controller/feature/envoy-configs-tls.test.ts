import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { needs } from '../../testkit/capabilities.ts';
import { ConfiguredSluice, whoAnswersAt } from '../../testkit/configured-sluice.ts';
import { extension, httpConfigManifest, type Json, resource } from '../../testkit/envoy-config-manifests.ts';
import { type MadeCertificate, makeCertificate } from '../../testkit/make-certificate.ts';
import { type ManifestObject, secretManifest, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';

const ROUTES: readonly Json[] = [{ match: { prefix: '/' }, route: { cluster: 'web' } }];
const HOST = 'inside.test';

const stranger = makeCertificate({ commonName: 'stranger' });
const server = makeCertificate({ commonName: HOST, names: [HOST] });
const client = makeCertificate({ commonName: 'client', names: ['client.test'] });
const front = makeCertificate({ commonName: 'front.test', names: ['front.test'] });

function authoritySecret(name: string, ...trusted: readonly MadeCertificate[]): ManifestObject {
  const metadata = { name };
  const object = { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { 'ca.crt': trusted.map((one) => one.certificate).join('') } };
  return object;
}

/** With the client's certificate, and whom it trusts. */
function bothSecret(name: string): ManifestObject {
  const stringData = { 'tls.crt': client.certificate, 'tls.key': client.privateKey, 'ca.crt': server.certificate };
  const object = { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData };
  return object;
}

/** What a cluster says to speak TLS. */
function upstreamTls(commonTlsContext: Json): Json {
  return { transportSocket: extension('transport_sockets.tls.v3.UpstreamTlsContext', { sni: HOST, commonTlsContext }) };
}

function downstreamTls(secret: string): Json {
  const commonTlsContext = { tlsCertificateSdsSecretConfigs: [{ name: secret }] };
  return extension('transport_sockets.tls.v3.DownstreamTlsContext', { commonTlsContext });
}

describe('CiliumEnvoyConfigs that speak TLS', { ...needs('envoy'), timeout: 120_000 }, () => {
  const sluice = new ConfiguredSluice();
  let backend: Server;

  before(async () => {
    // Says whose certificate it was shown.
    backend = createServer(
      { cert: server.certificate, key: server.privateKey, requestCert: true, rejectUnauthorized: false, ca: client.certificate },
      ({ socket }, response) => {
        const shown = socket instanceof TLSSocket ? socket.getPeerCertificate().subject?.CN : undefined;
        response.writeHead(200, { 'x-backend': `web for ${shown ?? 'nobody'}` }).end();
      },
    ).listen(0, '127.0.0.1');
    await once(backend, 'listening');
    const { port } = backend.address() as AddressInfo;
    sluice.write('web.yaml', serviceManifest('web', [{ port: 443 }]), sliceManifest('web', port));
    sluice.write(
      'secrets.yaml',
      authoritySecret('right', server),
      authoritySecret('wrong', stranger),
      authoritySecret('several', stranger, server),
      secretManifest('client', client),
      bothSecret('both'),
    );
    sluice.write('front-secret.yaml', secretManifest('front', front));
    await sluice.start();
  });
  after(async () => {
    await sluice.stop();
    backend.closeAllConnections();
    backend.close();
  });

  async function answerWith(name: string, commonTlsContext: Json, more: readonly Json[] = []): Promise<string> {
    const clusters = { web: upstreamTls(commonTlsContext) };
    const port = await sluice.serve(name, (port) => httpConfigManifest(name, { port, routes: ROUTES, clusters, more }));
    return await whoAnswersAt(port);
  }

  const certificates = { tlsCertificateSdsSecretConfigs: [{ name: 'default/client' }] };
  const trusting = (name: string) => ({ validationContextSdsSecretConfig: { name } });
  const named = (exact: string) => ({
    combinedValidationContext: {
      defaultValidationContext: { matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { exact } }] },
      ...trusting('default/right'),
    },
  });
  const upstreams: readonly (readonly [string, Json, string])[] = [
    ['the right authority', trusting('default/right'), 'web for nobody'],
    ['one of several authorities', trusting('default/several'), 'web for nobody'],
    ['the wrong authority', trusting('default/wrong'), '503'],
    ['the right authority and name', named(HOST), 'web for nobody'],
    ['the right authority, for another name', named('other.test'), '503'],
    ['a certificate of its own', { ...certificates, ...trusting('default/right') }, 'web for client'],
    [
      'a certificate and the authority of one Secret',
      { tlsCertificateSdsSecretConfigs: [{ name: 'default/both' }], ...trusting('default/both') },
      'web for client',
    ],
  ];
  for (const [index, [what, context, expected]] of upstreams.entries()) {
    test(`to backends: ${what}`, async () => {
      assert.equal(await answerWith(`upstream-${index}`, context), expected);
    });
  }

  test('to backends: an authority in the config itself', async () => {
    const trustedCa = { inlineString: server.certificate };
    const own = resource('envoy.extensions.transport_sockets.tls.v3.Secret', { name: 'own', validationContext: { trustedCa } });
    assert.equal(await answerWith('own-authority', trusting('own'), [own]), 'web for nobody');
  });

  test('to backends: a Secret of another kind trusts nobody, and is told', async () => {
    await assert.rejects(answerWith('other-kind', trusting('default/client')), /ECONNREFUSED/);
    assert.deepEqual(await sluice.findings(), ['CiliumEnvoyConfig/other-kind ConfigSecretUnusable']);
    sluice.remove('other-kind.yaml');
  });

  test('to clients: with a Secret of Kubernetes, which is exchanged while it serves', async () => {
    const clusters = { web: upstreamTls(trusting('default/right')) };
    const make = (port: number) =>
      httpConfigManifest('front', { port, routes: ROUTES, clusters, transportSocket: downstreamTls('default/front') });
    const port = await sluice.serve('front', make);
    const asked = async (port: number, { certificate }: MadeCertificate) =>
      await whoAnswersAt(port, '/', { tls: { serverName: 'front.test', ca: certificate } });
    assert.equal(await asked(port, front), 'web for nobody');
    await assert.rejects(asked(port, stranger));
    const renewed = makeCertificate({ commonName: 'front.test', names: ['front.test'] });
    sluice.write('front-secret.yaml', secretManifest('front', renewed));
    await sluice.settled();
    assert.equal(await asked(port, renewed), 'web for nobody');
    await assert.rejects(asked(port, front));
  });

  test('to clients: with a certificate in the config itself', async () => {
    const tlsCertificate = { certificateChain: { inlineString: front.certificate }, privateKey: { inlineString: front.privateKey } };
    const more = [resource('envoy.extensions.transport_sockets.tls.v3.Secret', { name: 'mine', tlsCertificate })];
    const clusters = { web: upstreamTls(trusting('default/right')) };
    const port = await sluice.serve('own-front', (port) =>
      httpConfigManifest('own-front', { port, routes: ROUTES, clusters, more, transportSocket: downstreamTls('mine') }),
    );
    const tls = { serverName: 'front.test', ca: front.certificate };
    assert.equal(await whoAnswersAt(port, '/', { tls }), 'web for nobody');
    await assert.rejects(whoAnswersAt(port));
  });
});
