import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Diagnostic } from '../../model/index.ts';
import { describeConfig } from './configs.ts';
import { countSeverities, formatCounts, formatDiagnostics, locateDiagnostics } from './diagnostics.ts';
import { formatFile, formatSource, withLocations } from './place.ts';
import { formatAge, formatStatus } from './status.ts';

const object = { kind: 'Ingress', namespace: 'default', name: 'shop' };
function finding(severity: Diagnostic['severity'], file: string | undefined, line: number, column = 1): Diagnostic {
  const base = { severity, code: 'Code', message: `message ${line}`, object, path: ['spec', 'tls', 0] };
  return file === undefined ? base : { ...base, location: { file, line, column } };
}

test('findings stand in the order of files and lines, a blank line between files, those without a file last', () => {
  const findings = [
    finding('info', undefined, 0),
    finding('error', 'b.yaml', 2),
    finding('error', 'a.yaml', 10),
    finding('warning', 'a.yaml', 9, 3),
  ];
  assert.equal(
    formatDiagnostics(locateDiagnostics(findings, () => undefined)),
    [
      'a.yaml:9:3 warning Code Ingress default/shop spec.tls[0]: message 9',
      'a.yaml:10:1 error Code Ingress default/shop spec.tls[0]: message 10',
      '',
      'b.yaml:2:1 error Code Ingress default/shop spec.tls[0]: message 2',
      '',
      'info Code Ingress default/shop spec.tls[0]: message 0',
      '',
    ].join('\n'),
  );
});

for (const [counts, expected] of [
  [{ error: 0, warning: 0, info: 0 }, 'nothing wrong'],
  [{ error: 1, warning: 0, info: 0 }, '1 error'],
  [{ error: 2, warning: 1, info: 3 }, '2 errors, 1 warning, 3 for information'],
] as const) {
  test(`counts read ${JSON.stringify(expected)}`, () => assert.equal(formatCounts(counts), expected));
}

test('severities are counted', () => {
  assert.deepEqual(countSeverities([finding('error', 'a', 1), finding('info', 'a', 1), finding('error', 'b', 1)]), {
    error: 2,
    warning: 0,
    info: 1,
  });
});

test('sources are named with field and place', () => {
  const place = { file: `${process.cwd()}/m/shop.yaml`, line: 3, column: 7 };
  assert.equal(
    formatSource({ object, path: ['spec'] }, () => place),
    'Ingress default/shop spec (m/shop.yaml:3:7)',
  );
  assert.equal(
    formatSource({ object: { kind: 'IngressClass', namespace: '', name: 'cilium' }, path: [] }, () => undefined),
    'IngressClass cilium',
  );
  assert.equal(formatFile('/elsewhere/shop.yaml'), '/elsewhere/shop.yaml');
});

test('JSON gets a place at every reference to a field', () => {
  const value = { cluster: { sources: [{ object, path: ['spec'] }] }, object: 'not one' };
  const place = { file: 'a.yaml', line: 1, column: 2 };
  assert.deepEqual(
    withLocations(value, () => place),
    { cluster: { sources: [{ object, path: ['spec'], location: place }] }, object: 'not one' },
  );
});

for (const [seconds, expected] of [
  [0, '0 seconds'],
  [59, '59 seconds'],
  [61, '1 minute 1 second'],
  [7_200, '2 hours'],
  [90_061, '1 day 1 hour'],
] as const) {
  test(`${seconds} s read ${JSON.stringify(expected)}`, () => {
    assert.equal(formatAge('2026-01-01T00:00:00.000Z', Date.parse('2026-01-01T00:00:00.000Z') + seconds * 1000), expected);
  });
}

const CONFIG = {
  kind: 'CiliumEnvoyConfig',
  namespace: 'default',
  name: 'shop',
  accepted: { status: 'True', reason: 'Accepted', message: 'all of it can be served' },
  resolvedRefs: { status: 'True', reason: 'ResolvedRefs', message: 'all that it names is there' },
} as const;

test('a config is told in one line', () => {
  const { accepted, resolvedRefs, ...config } = CONFIG;
  const programmed = { status: 'True', reason: 'Programmed', message: '2 of 2 nodes' } as const;
  const nodes = { programmed: 2, total: 2 };
  const well = { ...config, accepted, resolvedRefs, programmed, nodes };
  const pending = { status: 'Unknown', reason: 'Pending', message: '1 of 2 nodes; not yet: n2' } as const;
  const refused = { status: 'False', reason: 'RejectedByEnvoy', message: '1 of 2 nodes; Envoy of node n2 refuses it:\n no' } as const;
  const wrong = { status: 'False', reason: 'InvalidEnvoyConfig', message: `spec.resources[0]: ${'x'.repeat(400)}` } as const;
  for (const [told, expected] of [
    [well, 'CiliumEnvoyConfig default/shop, accepted, programmed on 2 of 2 nodes'],
    [
      { ...config, kind: 'CiliumClusterwideEnvoyConfig', namespace: '', accepted, resolvedRefs },
      'CiliumClusterwideEnvoyConfig shop, accepted',
    ],
    [{ ...well, programmed: pending }, 'CiliumEnvoyConfig default/shop, accepted, on its way: Pending: 1 of 2 nodes; not yet: n2'],
    [
      { ...well, programmed: refused },
      'CiliumEnvoyConfig default/shop, accepted, not programmed: RejectedByEnvoy: 1 of 2 nodes; Envoy of node n2 refuses it: no',
    ],
    [
      { ...well, accepted: { ...accepted, message: `${accepted.message}; spec: is refused; spec: is not there` } },
      'CiliumEnvoyConfig default/shop, accepted, but spec: is refused; spec: is not there, programmed on 2 of 2 nodes',
    ],
    [
      { ...well, accepted: wrong, resolvedRefs: { ...wrong, reason: 'ReferenceNotFound', message: 'no' } },
      `CiliumEnvoyConfig default/shop, not accepted: ${`InvalidEnvoyConfig: ${wrong.message}`.slice(0, 300)}…, names what is not there: ReferenceNotFound: no, programmed on 2 of 2 nodes`,
    ],
  ] as const) {
    assert.equal(describeConfig(told), expected);
  }
});

test('a status says what is wrong', () => {
  const since = '2026-01-01T00:00:00.000Z';
  const text = formatStatus(
    {
      role: 'run',
      version: '0.1.0',
      pid: 7,
      since,
      manifests: '/m',
      entry: { address: '127.0.0.1', httpPort: 8080, httpsPort: 8443 },
      ready: false,
      notReady: 'Envoy does not run',
      envoy: { version: '1.40.0', adopted: false },
      objects: { Ingress: 2, Service: 0 },
      resources: {},
      configs: [CONFIG],
      flows: {
        remembered: 16,
        capacity: 16,
        seen: 90,
        lost: { kernel: 0, limit: 4, enforcer: 3, reader: 20 },
        exported: { sent: 60, waiting: 7, failure: 'no answer' },
      },
      clients: [{ node: 'n', synced: false, resources: {} }],
      findings: { error: 1, warning: 0, info: 0 },
      rejected: [{ type: 'route', name: 'r', message: 'bad', sources: ['Ingress default/shop (shop.yaml:1:1)'] }],
    },
    Date.parse(since) + 5_000,
  );
  assert.deepEqual(text.split('\n'), [
    'sluice     0.1.0, pid 7, up 5 seconds, not ready: Envoy does not run',
    'envoy      1.40.0, not running',
    'manifests  /m',
    'entry      http 127.0.0.1:8080, https 127.0.0.1:8443',
    'config     CiliumEnvoyConfig default/shop, accepted',
    'flows      16 of at most 16 remembered, 90 seen, lost: limit 4, enforcer 3, reader 20, 60 exported, 7 waiting: no answer',
    'objects    Ingress 2',
    'resources  none',
    'clients    n (behind)',
    'findings   1 error',
    'rejected   route r: bad; from Ingress default/shop (shop.yaml:1:1)',
    '',
  ]);
});
