import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { settingsFields } from './describe.ts';
import { parseSettings } from './load.ts';
import { overlaySettings } from './overlay.ts';
import { DEFAULT_SETTINGS, type Settings } from './settings.ts';

const FILE = settingsOf(parseSettings('ingress: {requestTimeout: 5s, service: {type: NodePort}}\nhttp: {accessLog: json}\n', 's.yaml'));

function settingsOf(result: ReturnType<typeof overlaySettings> | ReturnType<typeof parseSettings>): Settings {
  assert.ok('settings' in result, JSON.stringify(result));
  return result.settings;
}

test('what nobody says has its default, then counts the file, then the object', () => {
  assert.deepEqual(settingsOf(overlaySettings(FILE, {})), FILE);
  const settings = settingsOf(overlaySettings(FILE, { ingress: { requestTimeout: '7s' }, http: {} }));
  assert.equal(settings.ingress.requestTimeout, 7_000);
  assert.equal(settings.ingress.service.type, 'NodePort');
  assert.equal(settings.ingress.className, DEFAULT_SETTINGS.ingress.className);
  assert.equal(settings.http.accessLog, 'json');
});

test('a value that is the default counts when it is said', () => {
  assert.equal(settingsOf(overlaySettings(FILE, { http: { accessLog: 'off' } })).http.accessLog, 'off');
});

test('a choice is taken as a whole', () => {
  const base = settingsOf(overlaySettings(FILE, { upstream: { retry: { on: ['5xx'], attempts: 7 } } }));
  const retry = settingsOf(overlaySettings(base, { upstream: { retry: { on: ['reset'] } } })).upstream.retry;
  assert.deepEqual(retry, { on: ['reset'], attempts: 2, perTryTimeout: 0 });
});

/** A value of each setting that is not its default. */
const OTHERS: Readonly<Record<string, unknown>> = {
  'http.proxyProtocol': true,
  'http.useRemoteAddress': false,
  'http.xffTrustedHops': 1,
  'http.streamIdleTimeout': '1s',
  'http.pathNormalization': 'base',
  'http.headersWithUnderscores': 'drop',
  'http.accessLog': 'json',
  'ingress.className': 'other',
  'ingress.controllerName': 'other/one',
  'ingress.enforceHttps': false,
  'ingress.defaultSecret': 'a/b',
  'ingress.requestTimeout': '1s',
  'ingress.loadBalancerMode': 'shared',
  'ingress.nodes': { matchLabels: { edge: '' } },
  'ingress.hostNetwork.enabled': true,
  'ingress.hostNetwork.sharedListenerPort': 80,
  'ingress.service.type': 'NodePort',
  'ingress.service.externalTrafficPolicy': 'Local',
  'ingress.service.loadBalancerClass': 'a/b',
  'ingress.service.insecureNodePort': 30_080,
  'ingress.service.secureNodePort': 30_443,
  'ingress.service.labels': { a: 'b' },
  'ingress.service.annotations': { a: 'b' },
  'ingress.service.copiedPrefixes': ['a'],
  'upstream.connectTimeout': '1s',
  'upstream.idleTimeout': '1s',
  'upstream.tlsVerification': 'system',
  'upstream.certificateAuthorities': '/ca',
  'upstream.sessionAffinity': { kind: 'source-ip' },
  'upstream.retry': { on: ['5xx'] },
  'upstream.outlierDetection': { enabled: false },
  'envoy.concurrency': 3,
  'envoy.logLevel': 'debug',
  'envoy.drainTime': '1s',
  'envoy.regexMaxProgramSize': 200,
  'policy.enabled': true,
  'policy.enforcement': 'always',
  'policy.services': false,
  'policy.clusterName': 'east',
  'policy.podNetworks': ['10.0.0.0/8'],
  'policy.labels': ['!k8s:build'],
  'envoyConfig.allow': ['envoy.extensions.filters.http.lua.v3.Lua'],
  'envoyConfig.dryRun': false,
  'envoyConfig.balancing': 'off',
  'flows.enabled': false,
  'flows.capacity': 16,
  'flows.port': 4244,
  'flows.clients': ['spiffe://sluice.io/observer/ann'],
  'flows.requests': false,
  'metrics.flows': ['drop'],
  'metrics.maxSeries': 100,
  'metrics.clients': ['spiffe://sluice.io/observer/prometheus'],
  'flows.export.enabled': true,
  'flows.export.as': 'spans',
  'flows.export.allow': ['{"verdict":["DROPPED"]}'],
  'flows.export.deny': ['{"source_port":["53"]}'],
  'flows.export.resourceAttributes': { 'k8s.cluster.name': 'test' },
  'flows.export.compression': 'gzip',
  'flows.export.collector.endpoint': 'https://collector.example:4318/otlp',
  'flows.export.collector.protocol': 'http',
  'flows.export.collector.headers': { authorization: 'Bearer token' },
  'flows.export.collector.certificateAuthorities': '/etc/collector/ca.crt',
  'tracing.enabled': true,
  'tracing.sampling': 1.5,
  'tracing.serviceName': 'edge',
  'tracing.resourceAttributes': { 'deployment.environment.name': 'test' },
  'tracing.changes': true,
  'tracing.collector.endpoint': 'https://collector.example:4318/otlp',
  'tracing.collector.protocol': 'http',
  'tracing.collector.headers': { authorization: 'Bearer token' },
  'tracing.collector.certificateAuthorities': '/etc/collector/ca.crt',
};

test('every setting can be said by the object, and changes nothing else', () => {
  const names = settingsFields().map(({ path }) => path.join('.'));
  const choices = ['ingress.nodes', 'upstream.sessionAffinity', 'upstream.retry', 'upstream.outlierDetection'];
  const single = names.filter((name) => !choices.some((choice) => name.startsWith(`${choice}.`)));
  assert.deepEqual(single.toSorted(), Object.keys(OTHERS).toSorted());
  for (const name of single) {
    const said = name.split('.').reduceRight<unknown>((value, part) => ({ [part]: value }), OTHERS[name]);
    const settings = settingsOf(overlaySettings(DEFAULT_SETTINGS, said));
    assert.notDeepEqual(settings, DEFAULT_SETTINGS, name);
    assert.deepEqual(settings, settingsOf(parseSettings(JSON.stringify(said), 's.yaml')), name);
  }
});

const WRONG: readonly (readonly [what: string, said: object, path: string, message: RegExp])[] = [
  ['an unknown setting', { http: { loud: true } }, 'http.loud', /no such setting/],
  ['a duration of centuries', { ingress: { requestTimeout: '99999999h' } }, 'ingress.requestTimeout', /must be a duration/],
  ['a port twice', { ingress: { service: { insecureNodePort: 1, secureNodePort: 1 } } }, 'ingress.service.secureNodePort', /must differ/],
  ['a selector of nothing', { ingress: { nodes: {} } }, 'ingress.nodes.matchLabels', /must ask for something/],
  ['a selector in one word', { ingress: { nodes: { role: 'edge' } } }, 'ingress.nodes.role', /no such setting/],
  ['a key that is none', { ingress: { nodes: { matchLabels: { 'a b': '' } } } }, 'ingress.nodes.matchLabels.a b', /key/],
  ['a label that is none', { ingress: { nodes: { matchLabels: { a: 'b c' } } } }, 'ingress.nodes.matchLabels.a', /value of a label/],
  [
    'an operator without values',
    { ingress: { nodes: { matchExpressions: [{ key: 'a', operator: 'In' }] } } },
    'ingress.nodes.matchExpressions.values',
    /need values/,
  ],
  [
    'an unknown operator',
    { ingress: { nodes: { matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] } } },
    'ingress.nodes.matchExpressions.0.operator',
    /Invalid option/,
  ],
  [
    'a class for what the file has',
    { ingress: { service: { loadBalancerClass: 'a/b' } } },
    'ingress.service.loadBalancerClass',
    /LoadBalancer/,
  ],
];
for (const [what, said, path, message] of WRONG) {
  test(`is told with its field: ${what}`, () => {
    const result = overlaySettings(FILE, said);
    assert.ok('findings' in result);
    assert.deepEqual(
      result.findings.map((found) => found.path.join('.')),
      [path],
    );
    assert.match(result.findings.map((found) => found.message).join(), message);
  });
}

test('whatever an object says, it is settings or findings, and nothing is thrown', () => {
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constantFrom(...Object.values(OTHERS)), fc.jsonValue());
  const names = settingsFields().map(({ path }) => path);
  const said = fc
    .tuple(fc.constantFrom(...names), leaf)
    .map(([path, value]) => path.reduceRight<unknown>((inner, part) => ({ [part]: inner }), value));
  let accepted = 0;
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), said, said), (object) => {
      const result = overlaySettings(FILE, object);
      if ('settings' in result) accepted += 1;
      else assert.ok(result.findings.length > 0);
    }),
    { numRuns: 1_000 },
  );
  assert.ok(accepted > 20, String(accepted));
});
