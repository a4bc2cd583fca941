import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatPath, type PathMatch } from '../model/index.ts';
import { ingestInWorld, usableCertificate } from '../testkit/ingress-world.ts';
import { ingressObject, type MetadataInput, serviceObject } from '../testkit/kube-objects.ts';
import type { RouteClaim } from './claims.ts';
import { wildcardOf } from './host.ts';
import { mergeVirtualHost } from './merge-virtual-host.ts';

const TABLE = 'listener-insecure';
const SERVICES = ['web', 'api', 'old', 'new'].flatMap((name) =>
  ['default', 'shop'].map((namespace) => serviceObject({ ports: [{ port: 80 }] }, { name, namespace })),
);
const CERTIFICATES = { 'default/tls': usableCertificate('default/tls', ['a.example', '*.w.example']) };

function backend(name: string) {
  return { service: { name, port: { number: 80 } } };
}

interface Rule {
  readonly host?: string;
  readonly paths: readonly (readonly [pathType: string, path: string, service?: string])[];
}

function claim(metadata: MetadataInput, rules: readonly Rule[], rest: Readonly<Record<string, unknown>> = {}): readonly RouteClaim[] {
  const spec = rules.map(({ host, paths }) => ({
    ...(host !== undefined && { host }),
    http: { paths: paths.map(([pathType, path, service = 'web']) => ({ path, pathType, backend: backend(service) })) },
  }));
  return ingestInWorld(ingressObject({ rules: spec, ...rest }, metadata), { services: SERVICES, certificates: CERTIFICATES }).routes;
}

function merge(host: string, claims: readonly RouteClaim[], table = TABLE) {
  const at = (other: string | undefined) => claims.filter((route) => route.table === table && route.host === other);
  return mergeVirtualHost({ table, host }, { own: at(host), wildcard: at(wildcardOf(host)), any: host === '*' ? [] : at('*') });
}

function routes(host: string, claims: readonly RouteClaim[], table = TABLE) {
  return merge(host, claims, table).virtualHost.routes.map(({ match, name }) => `${match.kind} ${match.value} ${name}`);
}

function findings(host: string, claims: readonly RouteClaim[]) {
  return merge(host, claims).diagnostics.map(({ code, object, path, message }) => [code, object?.name, formatPath(path), message]);
}

const OLD = { name: 'old', creationTimestamp: '2025-01-01T00:00:00Z' };
const NEW = { name: 'new', creationTimestamp: '2026-01-01T00:00:00Z' };

describe('the order of routes', () => {
  it('is exact, regular expression, prefix, each by length, whatever the order in the Ingress', () => {
    const paths = [
      ['Prefix', '/'],
      ['ImplementationSpecific', '/a.*'],
      ['Exact', '/a'],
      ['Prefix', '/aaa/bbb/ccc'],
      ['ImplementationSpecific', '/aa.*b'],
      ['Exact', '/aaa'],
      ['Prefix', '/aaa'],
    ] as const;
    const expected = ['exact /aaa', 'exact /a', 'regex /aa.*b', 'regex /a.*', 'prefix /aaa/bbb/ccc', 'prefix /aaa', 'prefix /'];
    for (const order of [paths, paths.toReversed()]) {
      const claims = claim({ name: 'web' }, [{ host: 'a.example', paths: order }]);
      assert.deepEqual(
        routes('a.example', claims),
        expected.map((match) => `${match} default/web`),
      );
    }
  });

  /** The rows of the specification's table "Examples" that have several paths. */
  const examples: readonly (readonly [paths: readonly (readonly [string, string])[], request: string, match: string | undefined])[] = [
    [
      [
        ['Prefix', '/'],
        ['Prefix', '/aaa'],
      ],
      '/aaa/ccc',
      'prefix /aaa',
    ],
    [
      [
        ['Prefix', '/'],
        ['Prefix', '/aaa'],
        ['Prefix', '/aaa/bbb'],
      ],
      '/aaa/bbb',
      'prefix /aaa/bbb',
    ],
    [
      [
        ['Prefix', '/'],
        ['Prefix', '/aaa'],
        ['Prefix', '/aaa/bbb'],
      ],
      '/ccc',
      'prefix /',
    ],
    [[['Prefix', '/aaa']], '/ccc', undefined],
    [
      [
        ['Prefix', '/foo'],
        ['Exact', '/foo'],
      ],
      '/foo',
      'exact /foo',
    ],
  ];
  for (const [paths, request, expected] of examples) {
    it(`of ${paths.map((path) => path.join(' ')).join(', ')} gives ${request} to ${expected ?? 'the default backend'}`, () => {
      const claims = claim({ name: 'web' }, [{ host: 'a.example', paths }], { defaultBackend: backend('api') });
      const { virtualHost } = merge('a.example', claims);
      const first = virtualHost.routes.find(({ match }) => matches(match, request));
      assert(first !== undefined);
      assert.equal(first.action.kind === 'forward' && first.action.cluster, expected === undefined ? 'default:api:80' : 'default:web:80');
      if (expected !== undefined) assert.equal(`${first.match.kind} ${first.match.value}`, expected);
    });
  }

  it('is the host, its wildcard, rules without host, and only then default backends', () => {
    const claims = [
      ...claim({ name: 'exact' }, [{ host: 'x.w.example', paths: [['Prefix', '/exact']] }]),
      ...claim({ name: 'wild' }, [
        {
          host: '*.w.example',
          paths: [
            ['Exact', '/exact/wild'],
            ['Prefix', '/exact'],
          ],
        },
      ]),
      ...claim({ name: 'any' }, [
        {
          paths: [
            ['Exact', '/any'],
            ['Exact', '/exact/wild'],
          ],
        },
      ]),
      ...claim({ name: 'fallback' }, [], { defaultBackend: backend('api') }),
    ];
    assert.deepEqual(routes('x.w.example', claims), [
      'prefix /exact default/exact',
      'exact /exact/wild default/wild',
      'exact /any default/any',
      'prefix / default/fallback',
    ]);
    const wildcard = merge('*.w.example', claims).virtualHost;
    assert.deepEqual(
      wildcard.beyondOneLabel.map(({ match, name }) => `${match.kind} ${match.value} ${name}`),
      ['exact /exact/wild default/any', 'exact /any default/any', 'prefix / default/fallback'],
    );
    assert.deepEqual(routes('*', claims), ['exact /exact/wild default/any', 'exact /any default/any', 'prefix / default/fallback']);
    assert.deepEqual(merge('x.w.example', claims).virtualHost.beyondOneLabel, []);
    assert.deepEqual(
      merge('x.w.example', claims).virtualHost.sources.map(({ object }) => object.name),
      ['any', 'exact', 'fallback', 'wild'],
    );
  });

  it('has the default backends of the Ingresses of the host before older ones of others', () => {
    const claims = [
      ...claim({ ...OLD }, [], { defaultBackend: backend('old') }),
      ...claim(
        { ...NEW },
        [
          { host: 'a.example', paths: [['Prefix', '/x']] },
          { host: '*.w.example', paths: [['Prefix', '/x']] },
        ],
        { defaultBackend: backend('new') },
      ),
    ];
    assert.deepEqual(routes('a.example', claims), ['prefix /x default/new', 'prefix / default/new']);
    assert.deepEqual(routes('y.w.example', claims), ['prefix /x default/new', 'prefix / default/new']);
    assert.deepEqual(routes('b.example', claims), ['prefix / default/old']);
    assert.deepEqual(routes('*', claims), ['prefix / default/old']);
  });
});

describe('Ingresses of a single Service', () => {
  it('keep their own TLS hosts, whichever has the default backend for all others', () => {
    const claims = [
      ...claim(OLD, [], { defaultBackend: backend('old'), tls: [{ hosts: ['a.example'], secretName: 'tls' }] }),
      ...claim(NEW, [], { defaultBackend: backend('new'), tls: [{ hosts: ['*.w.example'], secretName: 'tls' }] }),
    ];
    const hosts = ['a.example', '*.w.example', '*'];
    const secure = hosts.map((host) => routes(host, claims, 'listener-secure'));
    assert.deepEqual(secure, [['prefix / default/old'], ['prefix / default/new'], ['prefix / default/old']]);
    const actions = hosts.map((host) => merge(host, claims).virtualHost.routes.map(({ action }) => action.kind));
    assert.deepEqual(actions, [['redirect-https'], ['redirect-https'], ['forward']]);
    assert.deepEqual(
      merge('*.w.example', claims).virtualHost.beyondOneLabel.map(({ name }) => name),
      ['default/old'],
    );
    const told = hosts.map((host) => findings(host, claims).map(([code, name]) => [code, name]));
    assert.deepEqual(told, [[], [], [['DefaultBackendConflict', 'new']]]);
  });
});

describe('a path that is claimed twice', () => {
  it('belongs to the oldest Ingress, and the other is told who', () => {
    const claims = [
      ...claim(NEW, [
        {
          host: 'a.example',
          paths: [
            ['Prefix', '/x'],
            ['Prefix', '/mine'],
          ],
        },
      ]),
      ...claim(OLD, [{ host: 'a.example', paths: [['Prefix', '/x/']] }]),
    ];
    assert.deepEqual(routes('a.example', claims), ['prefix /mine default/new', 'prefix /x default/old']);
    assert.deepEqual(findings('a.example', claims), [
      ['Conflict', 'new', 'spec.rules[0].http.paths[0]', 'Ingress "default/old" already has the prefix path "/x" at host "a.example"'],
    ]);
  });

  const ranks: readonly (readonly [string, MetadataInput, MetadataInput])[] = [
    ['an age before none', { name: 'z', creationTimestamp: '2026-01-01T00:00:00Z' }, { name: 'a' }],
    ['the namespace', { name: 'z' }, { name: 'a', namespace: 'shop' }],
    ['the name', { name: 'a' }, { name: 'b' }],
    [
      'the instant, not the text',
      { name: 'z', creationTimestamp: '2026-01-01T01:00:00+02:00' },
      { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' },
    ],
  ];
  for (const [name, first, second] of ranks) {
    it(`is decided by ${name}`, () => {
      const rules = [{ host: 'a.example', paths: [['Exact', '/x'] as const] }];
      for (const claims of [
        [...claim(first, rules), ...claim(second, rules)],
        [...claim(second, rules), ...claim(first, rules)],
      ]) {
        assert.deepEqual(routes('a.example', claims), [`exact /x ${first.namespace ?? 'default'}/${first.name}`]);
        assert.equal(findings('a.example', claims).length, 1);
      }
    });
  }

  it('within one Ingress belongs to the first, and is told', () => {
    const claims = claim({ name: 'web' }, [
      {
        host: 'a.example',
        paths: [
          ['Exact', '/x', 'web'],
          ['Exact', '/x', 'api'],
        ],
      },
      { host: 'a.example', paths: [['Exact', '/x', 'old']] },
    ]);
    const { virtualHost, diagnostics } = merge('a.example', claims);
    assert.deepEqual(
      virtualHost.routes.map(({ action }) => action.kind === 'forward' && action.cluster),
      ['default:web:80'],
    );
    assert.deepEqual(
      diagnostics.map(({ code, path, message }) => [code, formatPath(path), message.startsWith('an earlier path of this Ingress')]),
      [
        ['Conflict', 'spec.rules[0].http.paths[1]', true],
        ['Conflict', 'spec.rules[1].http.paths[0]', true],
      ],
    );
  });

  it('is no conflict with another path type or on another level, which is shadowed in silence', () => {
    const claims = [
      ...claim(OLD, [{ paths: [['Prefix', '/x']] }]),
      ...claim(NEW, [
        {
          host: 'a.example',
          paths: [
            ['Prefix', '/x'],
            ['Exact', '/x'],
          ],
        },
      ]),
    ];
    assert.deepEqual(routes('a.example', claims), ['exact /x default/new', 'prefix /x default/new']);
    for (const host of ['a.example', '*']) assert.deepEqual(findings(host, claims), []);
  });

  it('without host and as default backend is told at host * only, and once for both schemes', () => {
    const claims = [
      ...claim(OLD, [{ paths: [['Prefix', '/x']] }], { defaultBackend: backend('old') }),
      ...claim(NEW, [{ paths: [['Prefix', '/x']] }, { host: 'a.example', paths: [['Exact', '/y']] }], { defaultBackend: backend('new') }),
    ];
    assert.deepEqual(
      findings('*', claims).map(([code, name, path]) => [code, name, path]),
      [
        ['Conflict', 'new', 'spec.rules[0].http.paths[0]'],
        ['DefaultBackendConflict', 'new', 'spec.defaultBackend'],
      ],
    );
    assert.deepEqual(findings('a.example', claims), []);
    assert.deepEqual(merge('*', claims, 'listener-secure').diagnostics, []);
  });
});

describe('force-https', () => {
  it('does not leak to other Ingresses of the host (cilium#35347)', () => {
    const claims = [
      ...claim({ name: 'secure' }, [{ host: 'a.example', paths: [['Prefix', '/secure']] }], {
        tls: [{ hosts: ['a.example'], secretName: 'tls' }],
      }),
      ...claim({ name: 'plain' }, [{ host: 'a.example', paths: [['Prefix', '/plain']] }]),
    ];
    assert.deepEqual(
      merge('a.example', claims).virtualHost.routes.map(({ name, action }) => [name, action.kind]),
      [
        ['default/secure', 'redirect-https'],
        ['default/plain', 'forward'],
      ],
    );
    assert.deepEqual(routes('a.example', claims, 'listener-secure'), ['prefix /secure default/secure', 'prefix /plain default/plain']);
  });

  it('redirects a TLS host that only a rule without host serves, and no other host', () => {
    const tls = [{ hosts: ['a.example', '*.w.example'], secretName: 'tls' }];
    const claims = [
      ...claim({ name: 'any' }, [{ paths: [['Prefix', '/x']] }], { tls, defaultBackend: backend('api') }),
      ...claim({ name: 'own' }, [{ host: 'y.w.example', paths: [['Exact', '/own']] }]),
    ];
    const kinds = (host: string) => merge(host, claims).virtualHost.routes.map(({ match, action }) => [match.value, action.kind]);
    assert.deepEqual(kinds('a.example'), [
      ['/x', 'redirect-https'],
      ['/', 'redirect-https'],
    ]);
    assert.deepEqual(kinds('y.w.example'), [
      ['/own', 'forward'],
      ['/x', 'redirect-https'],
      ['/', 'redirect-https'],
    ]);
    assert.deepEqual(kinds('b.example'), [
      ['/x', 'forward'],
      ['/', 'forward'],
    ]);
    for (const host of ['a.example', 'y.w.example', '*.w.example', '*']) assert.deepEqual(findings(host, claims), []);
  });

  it('redirects a TLS host that a wildcard rule serves, in its place', () => {
    const claims = [
      ...claim({ name: 'wild' }, [{ host: '*.w.example', paths: [['Prefix', '/']] }], {
        tls: [{ hosts: ['x.w.example'], secretName: 'tls' }],
      }),
      ...claim({ name: 'own' }, [{ host: 'x.w.example', paths: [['Prefix', '/own']] }]),
    ];
    assert.deepEqual(
      merge('x.w.example', claims).virtualHost.routes.map(({ match, action }) => [match.value, action.kind]),
      [
        ['/own', 'forward'],
        ['/', 'redirect-https'],
      ],
    );
  });
});

describe('merging', () => {
  const element = fc.constantFrom('Exact', 'Prefix', 'ImplementationSpecific');
  const path = fc.tuple(element, fc.constantFrom('/', '/a', '/a/', '/a/b', '/b', '/a.*'));
  const rule = fc.record({
    host: fc.constantFrom('a.w.example', '*.w.example', undefined),
    paths: fc.array(path, { minLength: 1, maxLength: 4 }),
  });
  const age = fc.constantFrom(undefined, '2025-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
  const ingress = fc.record({
    rules: fc.array(rule, { maxLength: 3 }),
    hasDefault: fc.boolean(),
    age,
    tls: fc.constantFrom([], ['a.w.example'], ['*.w.example']),
  });
  const world = fc.array(ingress, { minLength: 1, maxLength: 5 }).map((ingresses) =>
    ingresses.flatMap(({ rules, hasDefault, age: creationTimestamp, tls }, index) =>
      claim(
        { name: `i${index}`, ...(creationTimestamp !== undefined && { creationTimestamp }) },
        rules.map(({ host, paths }) => ({ paths, ...(host !== undefined && { host }) })),
        { ...(hasDefault && { defaultBackend: backend('api') }), tls: tls.map((host) => ({ hosts: [host], secretName: 'tls' })) },
      ),
    ),
  );
  const shuffled = world.chain((claims) => fc.tuple(fc.constant(claims), fc.shuffledSubarray([...claims], { minLength: claims.length })));

  it('does not depend on the order of claims', () => {
    fc.assert(
      fc.property(shuffled, ([claims, other]) => {
        for (const host of ['a.w.example', '*.w.example', '*', 'b.w.example']) assert.deepEqual(merge(host, other), merge(host, claims));
      }),
      { numRuns: 300 },
    );
  });

  it('leaves every match once, and nothing after a match for everything', () => {
    fc.assert(
      fc.property(world, (claims) => {
        for (const host of ['a.w.example', '*.w.example', '*']) {
          const keys = merge(host, claims).virtualHost.routes.map(({ match }) => `${match.kind} ${match.value}`);
          assert.equal(new Set(keys).size, keys.length);
          assert(!keys.slice(0, -1).includes('prefix /'));
        }
      }),
      { numRuns: 300 },
    );
  });
});

function matches({ kind, value }: PathMatch, request: string): boolean {
  if (kind === 'exact') return request === value;
  assert.equal(kind, 'prefix');
  return value === '/' || request === value || request.startsWith(`${value}/`);
}
