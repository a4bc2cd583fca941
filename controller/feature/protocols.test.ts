import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { needs } from '../../testkit/capabilities.ts';
import { callStream, callUnary, GrpcEcho, UNKNOWN_TEXT } from '../../testkit/grpc-echo.ts';
import { echoOf, requestHttp2 } from '../../testkit/http-request.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { ingressManifest, type ManifestObject, secretManifest, serviceManifest, sliceManifest } from '../../testkit/manifest-objects.ts';
import { RunningSluice } from '../../testkit/running-sluice.ts';
import { talkByWebSocket } from '../../testkit/web-socket-talk.ts';

const HOST = 'protocols.test';
const PROTOCOLS = {
  plain: '',
  h2c: 'kubernetes.io/h2c',
  ws: 'kubernetes.io/ws',
  https: 'https',
  grpc: 'kubernetes.io/h2c',
  'other-grpc': 'grpc',
};

const front = makeCertificate({ commonName: HOST, names: [HOST] });
const inside = makeCertificate({ commonName: 'inside', names: [HOST] });

function serviceSpeaking(name: string, appProtocol: string, port: number): readonly ManifestObject[] {
  return [serviceManifest(name, [{ port: 80, ...(appProtocol && { appProtocol }) }]), sliceManifest(name, port)];
}

describe('protocols', needs('envoy'), () => {
  const sluice = new RunningSluice();
  let grpc: GrpcEcho;

  before(async () => {
    grpc = await GrpcEcho.start('grpc');
    const tls = { key: inside.privateKey, cert: inside.certificate };
    const ports = {
      plain: (await sluice.startBackend({ name: 'plain' })).port,
      h2c: (await sluice.startBackend({ name: 'h2c', protocol: 'h2c' })).port,
      ws: (await sluice.startBackend({ name: 'ws' })).port,
      https: (await sluice.startBackend({ name: 'https', protocol: 'https', tls })).port,
      grpc: grpc.port,
      'other-grpc': grpc.port,
    };
    const paths = Object.keys(ports).map((name) => ({ path: `/${name}`, service: name }));
    // A method of gRPC is a path of its own.
    const grpcPath = { path: '/sluice.test.Echo', service: 'grpc' };
    sluice.write(
      'services.yaml',
      ...Object.entries(PROTOCOLS).flatMap(([name, protocol]) => serviceSpeaking(name, protocol, ports[name as keyof typeof ports])),
    );
    sluice.write('front.yaml', secretManifest('front', front));
    sluice.write(
      'ingress.yaml',
      ingressManifest('protocols', {
        rules: { [HOST]: [...paths, grpcPath], 'other.test': [{ service: 'other-grpc' }] },
        tls: { front: [HOST] },
        annotations: { 'force-https': 'disabled' },
      }),
    );
    await sluice.start();
  });
  after(async () => {
    await sluice.stop();
    await grpc[Symbol.asyncDispose]();
  });

  const spoken = { plain: '1.1', h2c: '2.0', ws: '1.1', https: '1.1' };
  for (const [name, version] of Object.entries(spoken)) {
    test(`a backend of ${PROTOCOLS[name as keyof typeof spoken] || 'no appProtocol'} is spoken to in HTTP/${version}, whatever the client speaks`, async () => {
      const path = `/${name}/x?y`;
      const tls = { ca: front.certificate };
      const answers = await Promise.all([
        sluice.get(HOST, path, { method: 'POST', body: 'content' }),
        sluice.getSecure(HOST, path, { method: 'POST', body: 'content', tls }),
        requestHttp2({ port: sluice.httpPort, host: HOST, path, method: 'POST', body: 'content' }),
        requestHttp2({ port: sluice.httpsPort, host: HOST, path, method: 'POST', body: 'content', tls }),
      ]);
      const seen = answers.map(echoOf).map(({ backend, method, url, httpVersion, body }) => [backend, method, url, httpVersion, body]);
      assert.deepEqual(seen, new Array(4).fill([name, 'POST', path, version, 'content']));
    });
  }

  test('a backend with TLS is sent the host as server name', async () => {
    const { tls } = echoOf(await sluice.get(`${HOST}:8080`, '/https'));
    assert.equal(tls?.sni, HOST);
  });

  test('gRPC, over TLS and without, to all appProtocols that mean it', async () => {
    const targets = [
      { port: sluice.httpPort, host: HOST },
      { port: sluice.httpsPort, host: HOST, ca: front.certificate },
      { port: sluice.httpPort, host: 'other.test' },
    ];
    for (const target of targets) {
      assert.equal(await callUnary(target, 'hello'), 'grpc: hello');
      assert.deepEqual(await callStream(target, ['one', 'two', 'three']), ['grpc: one', 'grpc: two', 'grpc: three']);
      await assert.rejects(callUnary(target, UNKNOWN_TEXT), { code: status.NOT_FOUND, details: 'grpc does not know it' });
    }
  });

  test('gRPC to where there is nothing is told so in its own words', async () => {
    await assert.rejects(callUnary({ port: sluice.httpPort, host: 'nowhere.test' }, 'hello'), { code: status.UNIMPLEMENTED });
  });

  for (const name of ['plain', 'ws', 'https']) {
    test(`WebSocket to a backend of ${name}, over TLS and without`, async () => {
      const targets = [
        { port: sluice.httpPort, host: HOST, path: `/${name}/talk` },
        { port: sluice.httpsPort, host: HOST, path: `/${name}/talk`, ca: front.certificate },
      ];
      for (const target of targets) {
        const { request, answers } = await talkByWebSocket(target, ['one', 'two']);
        assert.deepEqual([request.backend, request.url, request.headers['host'], answers], [name, target.path, HOST, ['one', 'two']]);
      }
    });
  }
});

describe('a backend with TLS that has to prove who it is', needs('envoy'), () => {
  const sluice = new RunningSluice({ settings: { upstream: { tlsVerification: 'system' } } });
  before(async () => {
    await sluice.addBackends('plain');
    const { port } = await sluice.startBackend({
      name: 'https',
      protocol: 'https',
      tls: { key: inside.privateKey, cert: inside.certificate },
    });
    sluice.write('https.yaml', ...serviceSpeaking('https', 'https', port));
    sluice.write('ingress.yaml', ingressManifest('protocols', { rules: { [HOST]: 'https', 'plain.test': 'plain' } }));
    await sluice.start();
  });
  after(() => sluice.stop());

  test('is refused where it cannot', async () => {
    assert.equal(await sluice.whoAnswers(HOST), '503');
    assert.match(await sluice.envoyAdmin('/stats?filter=fail_verify_error'), /default_https_80\.ssl\.fail_verify_error: [1-9]/);
    assert.equal(await sluice.whoAnswers('plain.test'), 'plain');
  });
});
