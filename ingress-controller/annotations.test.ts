import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settingsSchema } from '../settings/index.ts';
import { ingestInWorld, PORTS } from '../testkit/ingress-world.ts';
import { ingressObject, serviceObject } from '../testkit/kube-objects.ts';

const WORLD = { services: [serviceObject({ ports: [{ port: 80 }] })] };
const SPEC = { defaultBackend: { service: { name: 'web', port: { number: 80 } } } };

function ingest(annotations: Readonly<Record<string, string>>, settings = {}) {
  return ingestInWorld(ingressObject(SPEC, { annotations }), { ...WORLD, settings: settingsSchema.parse({ ingress: settings }) });
}

function codes(annotations: Readonly<Record<string, string>>) {
  return ingest(annotations).diagnostics.map(({ code, path }) => [code, path[2]]);
}

describe('request-timeout', () => {
  const values: readonly (readonly [string, number, ok: boolean])[] = [
    ['30s', 30_000, true],
    ['1m30s', 90_000, true],
    ['0s', 0, true],
    ['0', 0, true],
    ['1.5s', 1500, true],
    ['1ns', 1, true],
    ['-5s', 7000, false],
    ['soon', 7000, false],
    ['30', 7000, false],
    ['', 7000, false],
  ];
  for (const [value, timeoutMs, ok] of values) {
    it(`${JSON.stringify(value)} gives ${timeoutMs} ms`, () => {
      const key = 'ingress.cilium.io/request-timeout';
      const result = ingest({ [key]: value }, { requestTimeout: '7s' });
      const action = result.routes[0]?.route.action;
      assert(action?.kind === 'forward');
      assert.equal(action.timeoutMs, timeoutMs);
      assert.deepEqual(
        result.diagnostics.map(({ code, path }) => [code, path]),
        ok ? [] : [['InvalidAnnotation', ['metadata', 'annotations', key]]],
      );
    });
  }
});

describe('host-listener-port', () => {
  const key = 'ingress.cilium.io/host-listener-port';

  it('gives the Ingress a socket and tables of its own', () => {
    const result = ingest({ [key]: '9000' });
    assert.deepEqual(result.listeners, [
      {
        name: 'host-port-9000',
        address: PORTS.address,
        port: 9000,
        plaintextTable: 'host-port-9000-insecure',
        secureTable: 'host-port-9000-secure',
        sources: [{ object: { kind: 'Ingress', namespace: 'default', name: 'web' }, path: ['metadata', 'annotations', key] }],
      },
    ]);
    assert.deepEqual(
      result.routes.map(({ table }) => table),
      ['host-port-9000-insecure', 'host-port-9000-secure'],
    );
  });

  for (const value of ['0', '65536', '-1', 'http', '', '9000.5', '0x10', String(PORTS.http), String(PORTS.https), '9870']) {
    it(`${JSON.stringify(value)} leaves the Ingress unserved, not on the shared ports`, () => {
      const result = ingest({ [key]: value });
      assert.deepEqual(
        result.diagnostics.map(({ code, path }) => [code, path]),
        [['InvalidHostPort', ['metadata', 'annotations', key]]],
      );
      assert.deepEqual([result.routes, result.tls, result.listeners, result.clusters, result.asked], [[], [], [], [], []]);
    });
  }

  it('does nothing in shared mode', () => {
    const result = ingest({ [key]: '9000', 'ingress.cilium.io/loadbalancer-mode': 'shared' });
    assert.deepEqual(
      result.diagnostics.map(({ code }) => code),
      ['HostPortNeedsDedicated'],
    );
    assert.deepEqual(result.listeners, []);
    assert.equal(result.routes[0]?.table, 'listener-insecure');
  });
});

describe('annotations of the Ingress controller', () => {
  const legacy = ['loadbalancer-mode', 'service-type', 'insecure-node-port', 'secure-node-port', 'tls-passthrough'];
  for (const name of legacy) {
    it(`${name} is read under the old prefix, and the present one wins`, () => {
      assert.deepEqual(codes({ [`io.cilium.ingress/${name}`]: 'nonsense' })[0], ['InvalidAnnotation', `io.cilium.ingress/${name}`]);
      const both = codes({ [`io.cilium.ingress/${name}`]: 'x', [`ingress.cilium.io/${name}`]: 'nonsense' });
      assert.deepEqual(both[0], ['InvalidAnnotation', `ingress.cilium.io/${name}`]);
    });
  }

  it('host-listener-port and others are not read under the old prefix', () => {
    assert.deepEqual(codes({ 'io.cilium.ingress/host-listener-port': '9000' }), [
      ['UnknownAnnotation', 'io.cilium.ingress/host-listener-port'],
    ]);
  });

  const invalid: readonly (readonly [string, string])[] = [
    ['loadbalancer-mode', 'both'],
    ['loadbalancer-class', ''],
    ['service-type', 'ExternalName'],
    ['service-external-traffic-policy', 'local'],
    ['insecure-node-port', '70000'],
    ['secure-node-port', 'x'],
    ['force-https', 'yes'],
    ['tls-passthrough', 'on'],
  ];
  for (const [name, value] of invalid) {
    it(`${name}: ${JSON.stringify(value)} is a warning`, () => {
      assert.deepEqual(codes({ [`ingress.cilium.io/${name}`]: value })[0], ['InvalidAnnotation', `ingress.cilium.io/${name}`]);
    });
  }

  it('without effect here are told of once', () => {
    const { diagnostics } = ingest({
      'ingress.cilium.io/service-type': 'NodePort',
      'ingress.cilium.io/insecure-node-port': '30080',
      'io.cilium.ingress/secure-node-port': '30443',
      'ingress.cilium.io/loadbalancer-class': 'metal',
      'ingress.cilium.io/websocket': 'enabled',
      'ingress.cilium.io/service-external-traffic-policy': 'Local',
    });
    assert.equal(diagnostics.length, 1);
    assert.equal(diagnostics[0]?.code, 'AnnotationWithoutEffect');
    assert.match(diagnostics[0]?.message ?? '', /insecure-node-port.*websocket.*io\.cilium\.ingress\/secure-node-port/);
  });

  it('that are not known are told with the nearest that is', () => {
    for (const [key, hint] of [
      ['ingress.cilium.io/force-htps', 'ingress.cilium.io/force-https'],
      ['ingress.cilium.io/requestTimeout', 'ingress.cilium.io/request-timeout'],
      ['ingress.cilium.io/tls-pasthrough', 'ingress.cilium.io/tls-passthrough'],
      ['ingress.cilium.io/rewrite', undefined],
    ] as const) {
      const { diagnostics } = ingest({ [key]: 'x' });
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        ['UnknownAnnotation'],
      );
      assert.equal(/did you mean (\S+)\?$/.exec(diagnostics[0]?.message ?? '')?.[1], hint);
    }
  });

  it('of nobody in particular are passed over', () => {
    assert.deepEqual(codes({ 'cert-manager.io/cluster-issuer': 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}' }), []);
  });
});

describe('annotations of other controllers', () => {
  it('are listed once, and snippets are refused', () => {
    const { diagnostics } = ingest({
      'nginx.ingress.kubernetes.io/rewrite-target': '/$1',
      'nginx.ingress.kubernetes.io/configuration-snippet': 'more_set_headers "x: y";',
      'haproxy.org/timeout-client': '5s',
    });
    assert.deepEqual(
      diagnostics.map(({ code, severity }) => [code, severity]),
      [['ForeignAnnotation', 'info']],
    );
    assert.match(
      diagnostics[0]?.message ?? '',
      /haproxy\.org\/timeout-client, .*configuration-snippet, .*rewrite-target; snippets .* refused/,
    );
    assert.doesNotMatch(diagnostics[0]?.message ?? '', /more_set_headers/);
  });

  it('that restrict access are warned of one by one', () => {
    const keys = ['auth-url', 'whitelist-source-range', 'limit-rps'].map((name) => `nginx.ingress.kubernetes.io/${name}`);
    assert.deepEqual(
      codes(Object.fromEntries(keys.map((key) => [key, 'x']))),
      keys.toSorted().map((key) => ['RestrictionNotEnforced', key]),
    );
  });
});

describe('force-https without TLS', () => {
  const key = 'ingress.cilium.io/force-https';
  const cases: readonly (readonly [
    name: string,
    annotations: Readonly<Record<string, string>>,
    spec: object,
    expected: readonly string[],
  ])[] = [
    ['that an annotation asks for is told', { [key]: 'enabled' }, SPEC, ['ForceHttpsWithoutTls']],
    ['that only the settings ask for is not', {}, SPEC, []],
    ['that is not asked for is not', { [key]: 'disabled' }, SPEC, []],
    ['with passthrough is not', { [key]: 'enabled', 'ingress.cilium.io/tls-passthrough': 'enabled' }, SPEC, ['InvalidPassthrough']],
  ];
  for (const [name, annotations, spec, expected] of cases) {
    it(name, () => {
      const { diagnostics, routes } = ingestInWorld(ingressObject(spec, { annotations }), WORLD);
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        expected,
      );
      assert.ok(routes.every(({ route }) => route.action.kind !== 'redirect-https'));
    });
  }
});
