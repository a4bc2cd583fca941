import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPath } from '../model/index.ts';
import { DEFAULT_SETTINGS, settingsSchema } from '../settings/index.ts';
import { serviceObject } from '../testkit/kube-objects.ts';
import { ingestService } from './service.ts';

const { upstream } = DEFAULT_SETTINGS;

describe('a Service', () => {
  it('gives a cluster for a port, named by it, with the defaults of the settings', () => {
    const { cluster, diagnostics } = ingestService(
      serviceObject({
        ports: [
          { port: 53, protocol: 'UDP' },
          { name: 'http', port: 80 },
        ],
      }),
      80,
      upstream,
    );
    assert.deepEqual(diagnostics, []);
    assert.deepEqual(cluster, {
      name: 'default:web:80',
      discovery: { kind: 'eds', serviceName: 'default/web:80' },
      protocol: 'http1',
      balancing: 'round-robin',
      options: {
        connectTimeoutMs: 5000,
        idleTimeoutMs: 60_000,
        outlierDetection: { consecutiveErrors: 5, intervalMs: 10_000, baseEjectionMs: 30_000, maxEjectionPercent: 10 },
      },
      sources: [{ object: { kind: 'Service', namespace: 'default', name: 'web' }, path: ['spec', 'ports', 1] }],
    });
  });

  it('gives none for a port that it has not, or not for TCP', () => {
    const service = serviceObject({ ports: [{ port: 53, protocol: 'UDP' }] });
    for (const port of [53, 80]) assert.deepEqual(ingestService(service, port, upstream), { cluster: undefined, diagnostics: [] });
  });

  it('follows settings', () => {
    const settings = settingsSchema.parse({ upstream: { connectTimeout: '1s', idleTimeout: '0s', outlierDetection: false } }).upstream;
    const { cluster } = ingestService(serviceObject({ ports: [{ port: 80 }] }), 80, settings);
    assert.deepEqual(cluster?.options, { connectTimeoutMs: 1000, idleTimeoutMs: 0 });
  });

  it('is balanced by hash where clients are kept on an endpoint', () => {
    const cookie = settingsSchema.parse({ upstream: { sessionAffinity: { kind: 'cookie' } } }).upstream;
    const plain = serviceObject({ ports: [{ port: 80 }], sessionAffinity: 'None' });
    const sticky = serviceObject({ ports: [{ port: 80 }], sessionAffinity: 'ClientIP' });
    const balancing = [ingestService(plain, 80, upstream), ingestService(plain, 80, cookie), ingestService(sticky, 80, upstream)];
    assert.deepEqual(
      balancing.map(({ cluster }) => cluster?.balancing),
      ['round-robin', 'hash', 'hash'],
    );
  });

  const protocols: readonly (readonly [string | undefined, protocol: string, tls: boolean, known?: boolean])[] = [
    [undefined, 'http1', false],
    ['http', 'http1', false],
    ['kubernetes.io/ws', 'http1', false],
    ['kubernetes.io/wss', 'http1', true],
    ['https', 'http1', true],
    ['HTTPS', 'http1', true],
    ['kubernetes.io/h2c', 'http2', false],
    ['h2c', 'http2', false],
    ['http2', 'http2', false],
    ['grpc', 'http2', false],
    ['mysql', 'http1', false, false],
    ['example.com/quic', 'http1', false, false],
  ];
  for (const [appProtocol, protocol, tls, known = true] of protocols) {
    it(`speaks ${protocol}${tls ? ' with TLS' : ''} for appProtocol ${appProtocol}`, () => {
      const { cluster, diagnostics } = ingestService(serviceObject({ ports: [{ port: 80, appProtocol }] }), 80, upstream);
      assert.equal(cluster?.protocol, protocol);
      assert.deepEqual(cluster?.tls, tls ? { verification: 'none' } : undefined);
      assert.deepEqual(
        diagnostics.map(({ code, path }) => [code, formatPath(path)]),
        known ? [] : [['UnknownAppProtocol', 'spec.ports[0].appProtocol']],
      );
    });
  }
});

describe('a Service of type ExternalName', () => {
  function external(externalName: string | undefined, ports: unknown = []) {
    return serviceObject({ type: 'ExternalName', externalName, ports });
  }

  it('is looked up, with or without ports of its own', () => {
    for (const service of [external('API.example.org.'), external('api.example.org', [{ port: 8443 }])]) {
      const { cluster, diagnostics } = ingestService(service, 8443, upstream);
      assert.deepEqual(diagnostics, []);
      assert.deepEqual(cluster?.discovery, { kind: 'dns', hostname: 'api.example.org', port: 8443 });
    }
  });

  it('is named to TLS by its external name', () => {
    const settings = settingsSchema.parse({ upstream: { tlsVerification: 'system' } }).upstream;
    const { cluster } = ingestService(external('api.example.org', [{ port: 443, appProtocol: 'https' }]), 443, settings);
    assert.deepEqual(cluster?.tls, {
      verification: 'system',
      certificateAuthorities: '/etc/ssl/certs/ca-certificates.crt',
      serverName: 'api.example.org',
    });
  });

  const refused = [
    'localhost',
    'LOCALHOST.',
    'a.localhost',
    'localhost.localdomain',
    'ip6-localhost',
    '127.0.0.1',
    '10.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.0x1',
    '0x7f.1',
    '::1',
    'a b',
    'a_b',
    '',
    undefined,
  ];
  for (const name of refused) {
    it(`does not reach ${JSON.stringify(name)}`, () => {
      const { cluster, diagnostics } = ingestService(external(name, [{ port: 80 }]), 80, upstream);
      assert.equal(cluster, undefined);
      assert.deepEqual(
        diagnostics.map(({ code, path }) => [code, formatPath(path)]),
        [['InvalidExternalName', 'spec.externalName']],
      );
    });
  }
});
