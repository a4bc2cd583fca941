import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPath } from '../model/index.ts';
import { type KubeObject, validateObject } from './index.ts';

const INGRESS = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' };
const SERVICE = { apiVersion: 'v1', kind: 'Service' };
const SECRET = { apiVersion: 'v1', kind: 'Secret' };
const SLICE = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' };
const metadata = { name: 'web' };

function valid(raw: unknown): KubeObject {
  const seen = validateObject(raw);
  assert.equal(seen.result, 'valid', JSON.stringify(seen));
  return seen.object;
}

/** Each finding as `path: message`. */
function wrong(raw: unknown): string[] {
  const seen = validateObject(raw);
  assert.notEqual(seen.result, 'valid');
  return seen.result === 'valid' ? [] : seen.findings.map(({ path, message }) => `${formatPath(path)}: ${message}`);
}

/** Field by field, so that an undefined field and an absent one are the same. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

const SAME: readonly [what: string, a: object, b: object][] = [
  ['no spec, a null one and an empty one (Ingress)', { ...INGRESS, metadata }, { ...INGRESS, metadata, spec: null }],
  ['a null spec and an empty one (Ingress)', { ...INGRESS, metadata, spec: null }, { ...INGRESS, metadata, spec: {} }],
  [
    'null lists and empty ones',
    { ...INGRESS, metadata, spec: { rules: null, tls: null } },
    { ...INGRESS, metadata, spec: { rules: [], tls: [] } },
  ],
  ['an empty host and none', { ...INGRESS, metadata, spec: { rules: [{ host: '' }] } }, { ...INGRESS, metadata, spec: { rules: [{}] } }],
  [
    'an empty Secret name and none',
    { ...INGRESS, metadata, spec: { tls: [{ secretName: '', hosts: null }] } },
    { ...INGRESS, metadata, spec: { tls: [{}] } },
  ],
  ['the namespace default, and none', { ...SERVICE, metadata: { name: 'web', namespace: 'default' } }, { ...SERVICE, metadata }],
  ['an empty namespace, and none', { ...SERVICE, metadata: { name: 'web', namespace: '' } }, { ...SERVICE, metadata }],
  ['null labels and none', { ...SERVICE, metadata: { name: 'web', labels: null, annotations: { a: null } } }, { ...SERVICE, metadata }],
  ['a null creation time and none', { ...SERVICE, metadata: { name: 'web', creationTimestamp: null } }, { ...SERVICE, metadata }],
  [
    'targetPort 0, empty, null and none',
    {
      ...SERVICE,
      metadata,
      spec: {
        ports: [
          { port: 80, targetPort: 0 },
          { port: 81, targetPort: '' },
          { port: 82, targetPort: null },
        ],
      },
    },
    { ...SERVICE, metadata, spec: { ports: [{ port: 80 }, { port: 81 }, { port: 82 }] } },
  ],
  [
    'an empty port name and none',
    { ...SLICE, metadata, ports: [{ name: '', port: 80 }] },
    { ...SLICE, metadata, ports: [{ port: 80, protocol: 'TCP' }] },
  ],
  ['no endpoints, null and none', { ...SLICE, metadata, endpoints: null, ports: null }, { ...SLICE, metadata, endpoints: [], ports: [] }],
  [
    'null conditions and none',
    {
      ...SLICE,
      metadata,
      endpoints: [
        { addresses: ['10.0.0.1'], conditions: { ready: null } },
        { addresses: ['10.0.0.2'], conditions: null },
      ],
    },
    { ...SLICE, metadata, endpoints: [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'] }] },
  ],
  ['null data and none', { ...SECRET, metadata, data: null, stringData: null }, { ...SECRET, metadata }],
  ['unknown fields and none', { ...SERVICE, metadata: { name: 'web', managedFields: [1] }, extra: { a: 1 } }, { ...SERVICE, metadata }],
];

describe('the same object', () => {
  for (const [what, a, b] of SAME) test(what, () => assert.deepEqual(plain(valid(a)), plain(valid(b))));
});

test('a target port is a number or a name', () => {
  const service = valid({
    ...SERVICE,
    metadata,
    spec: {
      ports: [
        { port: 80, targetPort: 8080 },
        { port: 81, targetPort: 'web' },
      ],
    },
  });
  assert.deepEqual(service.kind === 'Service' && service.spec.ports.map(({ targetPort }) => targetPort), [8080, 'web']);
});

test('a condition that is false stays false', () => {
  const slice = valid({ ...SLICE, metadata, endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false, serving: true } }] });
  assert.deepEqual(slice.kind === 'EndpointSlice' && slice.endpoints[0]?.conditions, { ready: false, serving: true });
});

test('a port of an EndpointSlice without a number stands for any', () => {
  const slice = valid({ ...SLICE, metadata, ports: [{}] });
  assert.deepEqual(slice.kind === 'EndpointSlice' && plain(slice.ports), [{ protocol: 'TCP' }]);
});

test('an IngressClass has no namespace, whatever it says', () => {
  const parsed = valid({ apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: 'cilium', namespace: 'x' } });
  assert.equal(parsed.metadata.namespace, '');
});

test('a Secret is decoded, and stringData wins', () => {
  const secret = valid({ ...SECRET, metadata, data: { a: 'aGVs\nbG8=', b: '' }, stringData: { a: 'bye' } });
  assert.ok(secret.kind === 'Secret');
  assert.equal(secret.data['a']?.reveal(), 'bye');
  assert.equal(secret.data['b']?.reveal(), '');
});

test('a Secret of many megabytes is decoded', () => {
  const secret = valid({ ...SECRET, metadata, data: { a: 'QUJD'.repeat(4_000_000) } });
  assert.equal(secret.kind === 'Secret' && secret.data['a']?.reveal().length, 12_000_000);
});

const WRONG: readonly [what: string, raw: unknown, findings: readonly string[]][] = [
  ['a text', 'x', [': must be a Kubernetes object, not a single value']],
  ['null', null, [': must be a Kubernetes object, not null']],
  ['a list', [], [': must be a Kubernetes object, not a list']],
  ['no kind', {}, ['kind: has no kind']],
  ['no apiVersion', { kind: 'Service' }, ['apiVersion: is a "Service" without apiVersion']],
  ['no metadata', SERVICE, ['metadata: is required']],
  ['no name', { ...SERVICE, metadata: {} }, ['metadata.name: is required']],
  ['a name in capitals', { ...SERVICE, metadata: { name: 'Web' } }, ['metadata.name: must be a lower case RFC 1123 subdomain, not "Web"']],
  ['a name that is no text', { ...SERVICE, metadata: { name: 5 } }, ['metadata.name: must be a string, not 5: put it in quotes']],
  [
    'annotations that are no text',
    { ...INGRESS, metadata: { name: 'web', annotations: { 'a.b/c': true } } },
    ['metadata.annotations["a.b/c"]: must be a string, not true: put it in quotes'],
  ],
  [
    'a time that is none',
    { ...INGRESS, metadata: { name: 'web', creationTimestamp: 'now' } },
    ['metadata.creationTimestamp: must be a time as RFC 3339 writes it, not "now"'],
  ],
  [
    'ports',
    { ...SERVICE, metadata, spec: { ports: [{ port: 0 }, { port: 65536 }, { port: '80' }, { port: 1.5 }, {}, null] } },
    [
      'spec.ports[0].port: must be at least 1, not 0',
      'spec.ports[1].port: must be at most 65535, not 65536',
      'spec.ports[2].port: must be a number, not "80"',
      'spec.ports[3].port: must be a whole number, not 1.5',
      'spec.ports[4].port: is required',
      'spec.ports[5]: must be a mapping, not null',
    ],
  ],
  [
    'a target port that is neither a number nor a name',
    { ...SERVICE, metadata, spec: { ports: [{ port: 80, targetPort: {} }] } },
    ['spec.ports[0].targetPort: must be a port number (1 to 65535) or the name of a port, not a mapping'],
  ],
  [
    'a path type that is none',
    { ...INGRESS, metadata, spec: { rules: [{ http: { paths: [{ path: '/', pathType: 'prefix', backend: {} }] } }] } },
    ['spec.rules[0].http.paths[0].pathType: must be one of Exact, Prefix, ImplementationSpecific, not "prefix"'],
  ],
  [
    'no paths',
    { ...INGRESS, metadata, spec: { rules: [{ http: { paths: [] } }] } },
    ['spec.rules[0].http.paths: must have at least one item'],
  ],
  ['a mapping for a list', { ...INGRESS, metadata, spec: { tls: {} } }, ['spec.tls: must be a list, not a mapping']],
  [
    'an empty Service name',
    { ...INGRESS, metadata, spec: { defaultBackend: { service: { name: '' } } } },
    ['spec.defaultBackend.service.name: must not be empty'],
  ],
  ['no addresses', { ...SLICE, metadata, endpoints: [{ addresses: [] }] }, ['endpoints[0].addresses: must have at least one item']],
];

describe('a wrong object', () => {
  for (const [what, raw, findings] of WRONG) test(what, () => assert.deepEqual(wrong(raw), findings));
});

test('an object with very many wrong fields has some findings, and their number', () => {
  const findings = wrong({ ...SERVICE, metadata, spec: { ports: Array(1000).fill({}) } });
  assert.equal(findings.length, 21);
  assert.equal(findings.at(-1), ': has 980 more fields that are wrong');
});

test('no finding holds a value of a Secret', () => {
  const raw = {
    ...SECRET,
    metadata: { name: 'web', labels: { a: 12345 } },
    type: 12345,
    data: { a: 'hunter2!', b: 12345 },
    stringData: { c: 12345 },
  };
  const findings = wrong(raw);
  assert.equal(findings.length, 5);
  assert.doesNotMatch(findings.join('\n'), /hunter2|12345/);
});

test('a wrong object is named where its name can be read', () => {
  const seen = validateObject({ ...SERVICE, metadata: { name: 'web', namespace: 'shop' }, spec: 5 });
  assert.ok(seen.result === 'invalid');
  assert.deepEqual(seen.ref, { kind: 'Service', namespace: 'shop', name: 'web' });
});

const IGNORED: readonly [apiVersion: string, kind: string, code: string | undefined][] = [
  ['extensions/v1beta1', 'Ingress', 'UnsupportedVersion'],
  ['networking.k8s.io/v1beta1', 'Ingress', 'UnsupportedVersion'],
  ['networking.k8s.io/v1beta1', 'IngressClass', 'UnsupportedVersion'],
  ['discovery.k8s.io/v1beta1', 'EndpointSlice', 'UnsupportedVersion'],
  ['v1', 'Endpoints', 'UseEndpointSlice'],
  ['v1', 'ConfigMap', undefined],
  ['serving.knative.dev/v1', 'Service', undefined],
  ['networking.internal.knative.dev/v1alpha1', 'Ingress', undefined],
];

for (const [apiVersion, kind, code] of IGNORED) {
  test(`${apiVersion} ${kind} is not read: ${code ?? 'nothing to say'}`, () => {
    const seen = validateObject({ apiVersion, kind, metadata });
    assert.ok(seen.result === 'ignored');
    assert.deepEqual(
      seen.findings.map((finding) => finding.code),
      code ? [code] : [],
    );
  });
}
