import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPath } from '../model/index.ts';
import { settingsSchema } from '../settings/index.ts';
import { ingestInWorld, PORTS, UNUSABLE_CERTIFICATE, usableCertificate, type World } from '../testkit/ingress-world.ts';
import { ingressObject, serviceObject } from '../testkit/kube-objects.ts';

const SERVICES = [serviceObject({ ports: [{ port: 80 }] })];
const BACKEND = { service: { name: 'web', port: { number: 80 } } };
const CERTIFICATES = {
  'default/good': usableCertificate('default/good', ['a.example', '*.w.example']),
  'default/other': usableCertificate('default/other', ['a.example', 'b.example']),
  'default/bad': UNUSABLE_CERTIFICATE,
  'edge/fallback': usableCertificate('edge/fallback', ['a.example', 'b.example']),
};

interface Options {
  readonly tls: unknown;
  readonly hosts?: readonly (string | undefined)[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ingress?: Readonly<Record<string, unknown>>;
  readonly defaultBackend?: unknown;
}

function ingest({ tls, hosts = ['a.example'], annotations = {}, ingress = {}, defaultBackend }: Options, more: Pick<World, 'site'> = {}) {
  const rules = hosts.map((host) => ({ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend: BACKEND }] } }));
  const object = ingressObject({ tls, rules, ...(defaultBackend !== undefined && { defaultBackend }) }, { annotations });
  return ingestInWorld(object, { services: SERVICES, certificates: CERTIFICATES, settings: settingsSchema.parse({ ingress }), ...more });
}

function findings(result: ReturnType<typeof ingest>) {
  return result.diagnostics.map(({ code, path }) => [code, formatPath(path)]);
}

function names(result: ReturnType<typeof ingest>) {
  return result.tls.map((claim) => [claim.serverName, claim.kind === 'terminate' ? claim.certificate : claim.cluster]);
}

/** Host to what plain HTTP gets there. */
function plaintext(result: ReturnType<typeof ingest>) {
  const claims = result.routes.filter(({ table }) => table === 'listener-insecure');
  return Object.fromEntries(claims.map(({ host, kind, route }) => [`${kind} ${host}`, route.action.kind]));
}

describe('TLS entries of an Ingress with an address of its own', () => {
  const placement = { kind: 'load-balancer', namespace: 'sluice-system' } as const;
  const own = { site: { ports: PORTS, placement, dedicatedPort: 20_002 } };

  it('show their first certificate to clients that name no host, and to no others', () => {
    const tls = [
      { hosts: ['a.example'], secretName: 'good' },
      { hosts: ['b.example'], secretName: 'other' },
    ];
    const result = ingest({ tls }, own);
    assert.deepEqual(names(result), [
      ['a.example', 'default/good'],
      ['b.example', 'default/other'],
      ['', 'default/good'],
    ]);
    assert.deepEqual(
      result.tls.map((claim) => claim.kind === 'terminate' && claim.unnamedOnly),
      [undefined, undefined, true],
    );
  });

  it('leave that to an entry without hosts, if there is one', () => {
    const tls = [{ hosts: ['a.example'], secretName: 'good' }, { secretName: 'other' }];
    assert.deepEqual(
      names(ingest({ tls }, own)).filter(([name]) => name === ''),
      [['', 'default/other']],
    );
  });

  it('show nothing where no certificate can be used', () => {
    assert.deepEqual(names(ingest({ tls: [{ hosts: ['a.example'], secretName: 'bad' }] }, own)), []);
  });
});

describe('TLS entries', () => {
  it('give each of their hosts the certificate', () => {
    const result = ingest({ tls: [{ hosts: ['a.example', '*.w.example'], secretName: 'good' }] });
    assert.deepEqual(findings(result), []);
    assert.deepEqual(names(result), [
      ['a.example', 'default/good'],
      ['*.w.example', 'default/good'],
    ]);
    assert.deepEqual(
      result.tls.map((claim) => [claim.listener, claim.kind === 'terminate' && claim.routeTable, formatPath(claim.source.path)]),
      [
        ['https', 'listener-secure', 'spec.tls[0].hosts[0]'],
        ['https', 'listener-secure', 'spec.tls[0].hosts[1]'],
      ],
    );
  });

  it('serve hosts that no rule has', () => {
    assert.deepEqual(names(ingest({ tls: [{ hosts: ['b.example'], secretName: 'other' }] })), [['b.example', 'default/other']]);
  });

  it('without hosts serve all connections and the hosts of the rules', () => {
    const result = ingest({ tls: [{ secretName: 'other' }], hosts: ['a.example', undefined, 'b.example', 'Bad'] });
    assert.deepEqual(names(result), [
      ['', 'default/other'],
      ['a.example', 'default/other'],
      ['b.example', 'default/other'],
    ]);
    assert(result.tls.every((claim) => claim.kind === 'terminate' && claim.implied));
  });

  it('without a Secret use that of the settings, from any namespace', () => {
    const result = ingest({ tls: [{ hosts: ['a.example'] }], ingress: { defaultSecret: 'edge/fallback' } });
    assert.deepEqual(names(result), [['a.example', 'edge/fallback']]);
    assert.deepEqual(findings(result), []);
  });

  const failures: readonly (readonly [name: string, entry: unknown, code: string, path: string])[] = [
    ['without a Secret', { hosts: ['b.example'] }, 'SecretNotNamed', 'spec.tls[0]'],
    ['with a Secret that is missing', { hosts: ['b.example'], secretName: 'gone' }, 'SecretNotFound', 'spec.tls[0].secretName'],
    ['with a Secret that is unusable', { hosts: ['b.example'], secretName: 'bad' }, 'CertificateUnusable', 'spec.tls[0].secretName'],
    ['with a host that is none', { hosts: ['B.example'], secretName: 'good' }, 'InvalidHost', 'spec.tls[0].hosts[0]'],
  ];
  for (const [name, entry, code, path] of failures) {
    it(`${name} leave only their own hosts without TLS (Cilium: one missing Secret freezes all updates)`, () => {
      const result = ingest({ tls: [entry, { hosts: ['a.example'], secretName: 'good' }] });
      assert.deepEqual(findings(result), [[code, path]]);
      assert.deepEqual(names(result), [['a.example', 'default/good']]);
      assert.equal(result.routes.length, 2);
    });
  }

  it('whose certificate is for other hosts are served with a warning', () => {
    const result = ingest({ tls: [{ hosts: ['x.w.example', 'x.y.w.example', 'b.example'], secretName: 'good' }] });
    assert.deepEqual(findings(result), [
      ['CertificateHostMismatch', 'spec.tls[0].hosts[1]'],
      ['CertificateHostMismatch', 'spec.tls[0].hosts[2]'],
    ]);
    assert.equal(result.tls.length, 3);
  });
});

describe('force-https', () => {
  const GOOD = [{ hosts: ['a.example'], secretName: 'good' }];
  const values: readonly (readonly [value: string | undefined, enforceHttps: boolean, kind: 'redirect-https' | 'forward'])[] = [
    [undefined, true, 'redirect-https'],
    [undefined, false, 'forward'],
    ...['enabled', 'true', '1', 't', 'T', 'TRUE', 'True'].map((value) => [value, false, 'redirect-https'] as const),
    ...['disabled', 'false', '0', 'f', 'F', 'FALSE', 'False'].map((value) => [value, true, 'forward'] as const),
    ['maybe', true, 'redirect-https'],
    ['maybe', false, 'forward'],
  ];
  for (const [value, enforceHttps, kind] of values) {
    it(`${value ?? 'absent'} with enforceHttps ${enforceHttps}: ${kind}`, () => {
      const annotations = value === undefined ? {} : { 'ingress.cilium.io/force-https': value };
      const result = ingest({ tls: GOOD, annotations, ingress: { enforceHttps } });
      assert.deepEqual(plaintext(result), { 'rule a.example': kind });
    });
  }

  it('is a 308 to the port of TLS, and never on TLS itself', () => {
    const result = ingest({ tls: GOOD });
    assert.deepEqual(result.routes[0]?.route.action, { kind: 'redirect-https', port: 8443, status: 308 });
    assert.deepEqual(result.routes[1]?.route.action.kind, 'forward');
    const own = ingest({ tls: GOOD, annotations: { 'ingress.cilium.io/host-listener-port': '9000' } });
    assert.deepEqual(own.routes[0]?.route.action, { kind: 'redirect-https', port: 9000, status: 308 });
    assert.equal(own.tls[0]?.listener, 'host-port-9000');
  });

  const coverage: readonly (readonly [name: string, Options, Readonly<Record<string, string>>])[] = [
    [
      'only hosts with TLS',
      { tls: GOOD, hosts: ['a.example', 'b.example'] },
      { 'rule a.example': 'redirect-https', 'rule b.example': 'forward' },
    ],
    [
      'hosts under a wildcard, one label deep',
      { tls: [{ hosts: ['*.w.example'], secretName: 'good' }], hosts: ['x.w.example', 'x.y.w.example', 'w.example', '*.w.example'] },
      {
        'rule x.w.example': 'redirect-https',
        'rule x.y.w.example': 'forward',
        'rule w.example': 'forward',
        'rule *.w.example': 'redirect-https',
      },
    ],
    [
      'all hosts of a TLS entry without hosts',
      { tls: [{ secretName: 'other' }], hosts: ['b.example', undefined] },
      { 'rule b.example': 'redirect-https', 'hostless *': 'redirect-https' },
    ],
    [
      'the TLS host only, of rules without host and of the default backend',
      { tls: GOOD, hosts: [undefined], defaultBackend: BACKEND },
      { 'hostless *': 'forward', 'hostless a.example': 'redirect-https', 'default *': 'forward', 'default a.example': 'redirect-https' },
    ],
    [
      'the TLS host only, of a wildcard rule',
      { tls: [{ hosts: ['x.w.example'], secretName: 'good' }], hosts: ['*.w.example'] },
      { 'rule *.w.example': 'forward', 'wildcard x.w.example': 'redirect-https' },
    ],
  ];
  for (const [name, options, expected] of coverage) {
    it(`redirects ${name}`, () => assert.deepEqual(plaintext(ingest(options)), expected));
  }

  it('by annotation redirects even without a usable certificate: unreachable rather than in plain text', () => {
    const annotations = { 'ingress.cilium.io/force-https': 'enabled' };
    const result = ingest({ tls: [{ hosts: ['a.example'], secretName: 'gone' }], annotations });
    assert.deepEqual(plaintext(result), { 'rule a.example': 'redirect-https' });
    assert.deepEqual(findings(result), [
      ['SecretNotFound', 'spec.tls[0].secretName'],
      ['RedirectWithoutCertificate', 'spec.tls[0].hosts[0]'],
    ]);
  });

  it('by the settings alone does not redirect to where there is no usable certificate, and says so', () => {
    const result = ingest({ tls: [{ hosts: ['a.example'], secretName: 'bad' }] });
    assert.deepEqual(plaintext(result), { 'rule a.example': 'forward' });
    assert.deepEqual(findings(result), [
      ['CertificateUnusable', 'spec.tls[0].secretName'],
      ['ServedInPlaintext', 'spec.tls[0].hosts[0]'],
    ]);
  });

  it('is content with one usable certificate of several', () => {
    const tls = [
      { hosts: ['a.example'], secretName: 'gone' },
      { hosts: ['a.example'], secretName: 'good' },
    ];
    assert.deepEqual(findings(ingest({ tls })), [['SecretNotFound', 'spec.tls[0].secretName']]);
    assert.deepEqual(plaintext(ingest({ tls })), { 'rule a.example': 'redirect-https' });
  });
});

describe('tls-passthrough', () => {
  const annotations = { 'ingress.cilium.io/tls-passthrough': 'enabled' };

  function passthrough(spec: unknown) {
    const result = ingestInWorld(ingressObject(spec, { annotations }), { services: SERVICES, certificates: CERTIFICATES });
    return { ...result, findings: result.diagnostics.map(({ code, path }) => [code, formatPath(path)]) };
  }

  function rule(host: string | undefined, path = '/', backend: unknown = BACKEND) {
    return { ...(host !== undefined && { host }), http: { paths: [{ path, pathType: 'ImplementationSpecific', backend }] } };
  }

  it('takes the connections of a host as they are, and no requests', () => {
    const result = passthrough({ rules: [rule('a.example'), rule('*.b.example')] });
    assert.deepEqual(result.findings, []);
    assert.deepEqual(names(result), [
      ['a.example', 'default:web:80'],
      ['*.b.example', 'default:web:80'],
    ]);
    assert(result.tls.every(({ kind, listener }) => kind === 'passthrough' && listener === 'https'));
    assert.deepEqual(result.routes, []);
    assert.deepEqual(result.clusters, [{ namespace: 'default', service: 'web', port: 80 }]);
  });

  const violations: readonly (readonly [name: string, spec: Readonly<Record<string, unknown>>, path: string])[] = [
    ['no host', { rules: [rule(undefined)] }, 'spec.rules[0].host'],
    ['a host that is none', { rules: [rule('A.example')] }, 'spec.rules[0].host'],
    ['a path other than /', { rules: [rule('b.example', '/x')] }, 'spec.rules[0].http.paths[0].path'],
    ['no paths', { rules: [{ host: 'b.example' }] }, 'spec.rules[0]'],
    ['a default backend', { rules: [], defaultBackend: BACKEND }, 'spec.defaultBackend'],
    ['certificates', { rules: [], tls: [{ hosts: ['a.example'], secretName: 'good' }] }, 'spec.tls'],
  ];
  for (const [name, { rules, ...rest }, path] of violations) {
    it(`with ${name} leaves out just that (Cilium: one such annotation breaks every shared Ingress)`, () => {
      const result = passthrough({ ...rest, rules: [...(Array.isArray(rules) ? rules : []), rule('a.example')] });
      assert.deepEqual(result.findings, [['InvalidPassthrough', path]]);
      assert.deepEqual(names(result), [['a.example', 'default:web:80']]);
    });
  }
});
