import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPath, type RouteAction } from '../model/index.ts';
import { DEFAULT_SETTINGS, settingsSchema } from '../settings/index.ts';
import { ingestInWorld } from '../testkit/ingress-world.ts';
import { ingressObject, serviceObject } from '../testkit/kube-objects.ts';

const WEB = serviceObject({
  ports: [
    { name: 'http', port: 80 },
    { name: 'admin', port: 8000 },
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'sctp', port: 99, protocol: 'SCTP' },
    { name: 'both-udp', port: 443, protocol: 'UDP' },
    { name: 'both-tcp', port: 443 },
  ],
});
const SERVICES = { services: [WEB] };

function backend(port: unknown, name = 'web') {
  return { service: { name, port } };
}

function rule(host: string | undefined, path: string, pathType = 'Prefix', to: unknown = backend({ number: 80 })) {
  return { host, http: { paths: [{ path, pathType, backend: to }] } };
}

function findings(result: ReturnType<typeof ingestInWorld>) {
  return result.diagnostics.map(({ code, path }) => [code, formatPath(path)]);
}

const FORWARD: RouteAction = { kind: 'forward', cluster: 'default:web:80', timeoutMs: 0 };

describe('the rules of an Ingress', () => {
  it('are wanted with and without TLS, in the order of the Ingress', () => {
    const result = ingestInWorld(
      ingressObject({ rules: [rule('a.example', '/x', 'Exact'), rule('*.b.example', '/y/'), rule(undefined, '/', 'Prefix')] }),
      SERVICES,
    );
    assert.deepEqual(result.diagnostics, []);
    assert.deepEqual(
      result.routes.map(({ table, host, kind, position, route }) => [table, host, kind, position, route.match.kind, route.match.value]),
      [
        ['listener-insecure', 'a.example', 'rule', 0, 'exact', '/x'],
        ['listener-secure', 'a.example', 'rule', 0, 'exact', '/x'],
        ['listener-insecure', '*.b.example', 'rule', 1, 'prefix', '/y'],
        ['listener-secure', '*.b.example', 'rule', 1, 'prefix', '/y'],
        ['listener-insecure', '*', 'hostless', 2, 'prefix', '/'],
        ['listener-secure', '*', 'hostless', 2, 'prefix', '/'],
      ],
    );
    assert.deepEqual(result.listeners, []);
    assert.deepEqual(result.tls, []);
    assert.deepEqual(result.clusters, [{ namespace: 'default', service: 'web', port: 80 }]);
    const [first] = result.routes;
    assert.deepEqual(first?.route.action, FORWARD);
    assert.deepEqual(first?.route.source, {
      object: { kind: 'Ingress', namespace: 'default', name: 'web' },
      path: ['spec', 'rules', 0, 'http', 'paths', 0],
    });
    assert.equal(first?.route.name, 'default/web');
  });

  it('ask only for what they name, in the namespace of the Ingress', () => {
    const spec = { rules: [rule('a.example', '/', 'Prefix', backend({ number: 80 }, 'api'))], defaultBackend: backend({ name: 'http' }) };
    const result = ingestInWorld(ingressObject(spec, { namespace: 'shop' }));
    assert.deepEqual(new Set(result.asked), new Set(['Service shop/api', 'Service shop/web']));
  });

  it('without paths send their host to the default backend', () => {
    const { routes } = ingestInWorld(ingressObject({ rules: [{ host: 'a.example' }], defaultBackend: backend({ number: 80 }) }), SERVICES);
    assert.deepEqual(
      routes
        .filter(({ table }) => table === 'listener-insecure')
        .map(({ host, kind, route }) => [host, kind, route.match.value, route.action]),
      [
        ['a.example', 'rule', '/', FORWARD],
        ['*', 'default', '/', FORWARD],
      ],
    );
  });

  it('without paths and without a default backend are left out', () => {
    const result = ingestInWorld(ingressObject({ rules: [{ host: 'a.example' }, rule('b.example', '/')] }), SERVICES);
    assert.deepEqual(findings(result), [['EmptyRule', 'spec.rules[0]']]);
    assert.deepEqual(new Set(result.routes.map(({ host }) => host)), new Set(['b.example']));
  });

  it('may not all be missing together with the default backend', () => {
    const result = ingestInWorld(ingressObject({}));
    assert.deepEqual(findings(result), [['EmptyIngress', 'spec']]);
    assert.deepEqual(result.routes, []);
  });

  it('fail one at a time', () => {
    const result = ingestInWorld(
      ingressObject({
        rules: [
          rule('Upper.example', '/'),
          rule('a.example', 'no-slash'),
          rule('a.example', '/(', 'ImplementationSpecific'),
          rule('a.example', '/ok'),
        ],
      }),
      SERVICES,
    );
    assert.deepEqual(findings(result), [
      ['InvalidHost', 'spec.rules[0].host'],
      ['InvalidPath', 'spec.rules[1].http.paths[0].path'],
      ['InvalidRegex', 'spec.rules[2].http.paths[0].path'],
    ]);
    assert.deepEqual(
      result.routes.map(({ route }) => route.match.value),
      ['/ok', '/ok'],
    );
  });

  it('answer 500 where a forbidden path matches, instead of a less specific rule', () => {
    const result = ingestInWorld(ingressObject({ rules: [rule('a.example', '/a/../b', 'Exact')] }), SERVICES);
    assert.deepEqual(findings(result), [['InvalidPath', 'spec.rules[0].http.paths[0].path']]);
    assert.equal(result.routes[0]?.route.action.kind, 'respond');
    assert.deepEqual(result.asked, []);
  });
});

describe('a backend', () => {
  it('names its port by number or by name', () => {
    for (const [port, cluster] of [
      [{ number: 8000 }, 'default:web:8000'],
      [{ name: 'admin' }, 'default:web:8000'],
      [{ number: 443 }, 'default:web:443'],
    ] as const) {
      const result = ingestInWorld(ingressObject({ defaultBackend: backend(port) }), SERVICES);
      assert.deepEqual(result.diagnostics, []);
      assert.deepEqual(result.routes[0]?.route.action, { ...FORWARD, cluster });
    }
  });

  it('of type ExternalName needs no ports', () => {
    const external = serviceObject({ type: 'ExternalName', externalName: 'api.example.org' });
    const result = ingestInWorld(ingressObject({ defaultBackend: backend({ number: 8443 }) }), { services: [external] });
    assert.deepEqual(result.clusters, [{ namespace: 'default', service: 'web', port: 8443 }]);
    const named = ingestInWorld(ingressObject({ defaultBackend: backend({ name: 'http' }) }), { services: [external] });
    assert.deepEqual(findings(named), [['ServicePortNotFound', 'spec.defaultBackend.service.port']]);
  });

  const local = serviceObject({ type: 'ExternalName', externalName: 'localhost' }, { name: 'local' });
  const cases: readonly (readonly [name: string, backend: unknown, code: string, path: string])[] = [
    ['a Service that is missing', backend({ number: 80 }, 'gone'), 'ServiceNotFound', 'service.name'],
    ['a port number that is missing', backend({ number: 81 }), 'ServicePortNotFound', 'service.port'],
    ['a port name that is missing', backend({ name: 'https' }), 'ServicePortNotFound', 'service.port'],
    ['a UDP port', backend({ name: 'dns' }), 'UnsupportedProtocol', 'service.port'],
    ['an SCTP port', backend({ number: 99 }), 'UnsupportedProtocol', 'service.port'],
    ['a port by number and name', backend({ number: 80, name: 'http' }), 'InvalidBackend', 'service.port'],
    ['no port', backend({}), 'InvalidBackend', 'service.port'],
    ['neither Service nor resource', {}, 'InvalidBackend', ''],
    ['a resource', { resource: { kind: 'Bucket', name: 'static' } }, 'ResourceBackend', 'resource'],
    ['both', { ...backend({ number: 80 }), resource: { kind: 'Bucket', name: 'static' } }, 'InvalidBackend', ''],
    ['an ExternalName of this machine', backend({ number: 80 }, 'local'), 'InvalidExternalName', 'service.name'],
  ];
  for (const [name, to, code, path] of cases) {
    it(`that is ${name} answers 500 and tells the client nothing, and its neighbour is served`, () => {
      const rules = [rule('a.example', '/bad', 'Prefix', to), rule('a.example', '/good')];
      const result = ingestInWorld(ingressObject({ rules }), { services: [WEB, local] });
      const [bad, , good] = result.routes;
      assert.deepEqual(findings(result), [[code, `spec.rules[0].http.paths[0].backend${path && '.'}${path}`]]);
      assert.deepEqual(bad?.route.action, { kind: 'respond', status: 500, body: 'No backend can answer this request\n' });
      assert.deepEqual(good?.route.action, FORWARD);
    });
  }
});

describe('what settings and Services add to a route', () => {
  it('is retries', () => {
    const settings = settingsSchema.parse({ upstream: { retry: { on: ['connect-failure'], attempts: 3, perTryTimeout: '2s' } } });
    const { routes } = ingestInWorld(ingressObject({ defaultBackend: backend({ number: 80 }) }), { ...SERVICES, settings });
    assert.deepEqual(routes[0]?.route.action, { ...FORWARD, retry: { on: ['connect-failure'], attempts: 3, perTryTimeoutMs: 2000 } });
  });

  const affinities = [
    { name: 'nothing by default', upstream: {}, service: {}, affinity: undefined },
    { name: 'source address by the Service', upstream: {}, service: { sessionAffinity: 'ClientIP' }, affinity: { kind: 'source-ip' } },
    { name: 'source address by the settings', upstream: { kind: 'source-ip' }, service: {}, affinity: { kind: 'source-ip' } },
    {
      name: 'a cookie',
      upstream: { kind: 'cookie', name: 'sid', ttl: '1h' },
      service: {},
      affinity: { kind: 'cookie', name: 'sid', ttlMs: 3_600_000 },
    },
    { name: 'the Service first', upstream: { kind: 'cookie' }, service: { sessionAffinity: 'ClientIP' }, affinity: { kind: 'source-ip' } },
  ];
  for (const { name, upstream, service, affinity } of affinities) {
    it(`is session affinity: ${name}`, () => {
      const settings =
        Object.keys(upstream).length === 0 ? DEFAULT_SETTINGS : settingsSchema.parse({ upstream: { sessionAffinity: upstream } });
      const services = [serviceObject({ ports: [{ port: 80 }], ...service })];
      const { routes } = ingestInWorld(ingressObject({ defaultBackend: backend({ number: 80 }) }), { services, settings });
      assert.deepEqual(routes[0]?.route.action, affinity === undefined ? FORWARD : { ...FORWARD, affinity });
    });
  }
});
