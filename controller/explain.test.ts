import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Collection, Graph } from '../collection/index.ts';
import { type Certificate, type Cluster, type EndpointSet, type Listener, Redacted, type Route, type VirtualHost } from '../model/index.ts';
import { type ExplainModel, type Explanation, explainUrl } from './explain.ts';

const SOURCE = { object: { kind: 'Ingress', namespace: 'default', name: 'web' }, path: ['spec'] };
const HTTP = {
  proxyProtocol: false,
  useRemoteAddress: true,
  xffTrustedHops: 0,
  streamIdleTimeoutMs: 0,
  pathNormalization: 'full',
  headersWithUnderscores: 'allow',
  accessLog: 'off',
} as const;

function route(match: string, action: Route['action'] | string): Route {
  const [kind, value] = match.split(' ');
  const forward = (cluster: string): Route['action'] => ({ kind: 'forward', cluster, timeoutMs: 0 });
  assert.ok((kind === 'exact' || kind === 'prefix' || kind === 'regex') && value !== undefined);
  return { name: match, match: { kind, value }, action: typeof action === 'string' ? forward(action) : action, source: SOURCE };
}

function host(table: string, name: string, routes: Route[], beyondOneLabel: Route[] = []): VirtualHost {
  return { table, host: name, routes, beyondOneLabel, sources: [SOURCE] };
}

const toHttps: Route['action'] = { kind: 'redirect-https', port: 8443, status: 308 };
const LISTENERS: Listener[] = [
  { name: 'http', address: '127.0.0.1', port: 8080, plaintextTable: 'insecure', tlsChains: [], http: HTTP, sources: [] },
  {
    name: 'https',
    address: '127.0.0.1',
    port: 8443,
    tlsChains: [
      {
        kind: 'terminate',
        name: 'shop',
        serverNames: ['shop.example.com'],
        certificate: 'default/shop',
        routeTable: 'secure',
        sources: [],
      },
      { kind: 'terminate', name: 'wild', serverNames: ['*.example.com'], certificate: 'default/wild', routeTable: 'secure', sources: [] },
      { kind: 'passthrough', name: 'raw', serverName: 'raw.example.com', cluster: 'default:raw:443', sources: [] },
      { kind: 'passthrough', name: 'raws', serverName: '*.raw.test', cluster: 'default:raw:443', sources: [] },
    ],
    http: HTTP,
    sources: [],
  },
  { name: 'host-port-9000', address: '127.0.0.1', port: 9000, plaintextTable: 'port-9000', tlsChains: [], http: HTTP, sources: [] },
];
const HOSTS: VirtualHost[] = [
  host('insecure', 'shop.example.com', [route('prefix /', toHttps)]),
  host('insecure', 'plain.test', [
    route('exact /cart', 'default:cart:80'),
    route('regex /v[0-9]+/.*', 'default:api:80'),
    route('prefix /cart/items', 'default:items:80'),
    route('prefix /down', { kind: 'respond', status: 500, body: 'Service default/down does not exist' }),
  ]),
  host('insecure', '*.wild.test', [route('prefix /', 'default:wild:80')], [route('prefix /', 'default:fallback:80')]),
  host('insecure', '*', [route('exact /any', 'default:any:80')]),
  host('secure', 'shop.example.com', [route('prefix /', 'default:cart:80')]),
  host('port-9000', 'plain.test', [route('prefix /', 'default:gone:80')]),
];
const CLUSTERS: Cluster[] = ['cart', 'api', 'items', 'wild', 'fallback', 'any', 'raw'].map((service) => ({
  name: service === 'raw' ? 'default:raw:443' : `default:${service}:80`,
  discovery: { kind: 'eds', serviceName: `default/${service}:80` },
  protocol: 'http1',
  balancing: 'round-robin',
  options: { connectTimeoutMs: 1, idleTimeoutMs: 1 },
  sources: [],
}));
const ENDPOINTS: EndpointSet[] = [{ name: 'default/cart:80', endpoints: [{ address: '10.0.0.1', port: 8000 }], sources: [] }];
const CERTIFICATES: Certificate[] = [{ name: 'default/shop', chain: 'PEM', privateKey: new Redacted('KEYMATERIAL'), sources: [] }];

function collection<V>(values: readonly V[], key: (value: V) => string): Collection<V> {
  const graph = new Graph();
  const input = graph.input<V>('test');
  for (const value of values) input.set(key(value), value);
  graph.settle();
  return input;
}

const MODEL: ExplainModel = {
  listeners: collection(LISTENERS, ({ name }) => name),
  virtualHosts: collection(HOSTS, (value) => `${value.table} ${value.host}`),
  clusters: collection(CLUSTERS, ({ name }) => name),
  endpointSets: collection(ENDPOINTS, ({ name }) => name),
  certificates: collection(CERTIFICATES, ({ name }) => name),
};

/** An explanation in one line: what a request passes through, and where it ends. */
function summary({ outcome, listener, tlsChain, virtualHost, route: pick, cluster, next }: Explanation): string {
  const passed = [listener?.name, tlsChain?.name, virtualHost?.host, pick?.route?.name].filter((part) => part !== undefined);
  const end = () => {
    if (outcome.kind === 'nothing') return `no ${outcome.lacks}: ${outcome.nearest.join(' | ')}`;
    if (outcome.kind === 'redirect') return `${outcome.status} ${outcome.location} ⇒ ${next ? summary(next) : ''}`;
    return outcome.kind === 'respond' ? `${outcome.status} ${outcome.body}` : `${outcome.kind} ${cluster?.name}`;
  };
  return [...passed, end()].join(' > ');
}

const CASES: readonly (readonly [url: string, expected: string])[] = [
  ['http://plain.test/cart', 'http > plain.test > exact /cart > forward default:cart:80'],
  ['http://PLAIN.test./cart?x=1', 'http > plain.test > exact /cart > forward default:cart:80'],
  ['http://plain.test:8080/cart', 'http > plain.test > exact /cart > forward default:cart:80'],
  ['http://plain.test/v1/x', 'http > plain.test > regex /v[0-9]+/.* > forward default:api:80'],
  ['http://plain.test/cart/items', 'http > plain.test > prefix /cart/items > forward default:items:80'],
  ['http://plain.test/cart/items/3', 'http > plain.test > prefix /cart/items > forward default:items:80'],
  ['http://plain.test/x/../cart', 'http > plain.test > exact /cart > forward default:cart:80'],
  ['http://plain.test/cart/itemsX', 'http > plain.test > no route: exact /cart | regex /v[0-9]+/.* | prefix /cart/items | prefix /down'],
  ['http://plain.test/old/v1/x', 'http > plain.test > no route: exact /cart | regex /v[0-9]+/.* | prefix /cart/items | prefix /down'],
  ['http://plain.test/down/x', 'http > plain.test > prefix /down > 500 Service default/down does not exist'],
  ['http://plain.test//cart///items', 'http > plain.test > prefix /cart/items > forward default:items:80'],
  ['http://plain.test/x;y/..//cart', 'http > plain.test > exact /cart > forward default:cart:80'],
  ['http://plain.test/v1/..;/cart', 'http > plain.test > exact /cart > forward default:cart:80'],
  [
    'http://plain.test/cart%2Fitems?a=%2F',
    'http > 307 http://plain.test/cart/items?a=%2F ⇒ http > plain.test > prefix /cart/items > forward default:items:80',
  ],
  ['http://wild.test/%2F', 'http > 307 http://wild.test// ⇒ http > * > no route: exact /any'],
  ['http://plain.test/cart%00', 'http > 400 '],
  ['http://a.wild.test/', 'http > *.wild.test > prefix / > forward default:wild:80'],
  ['http://b.a.wild.test/', 'http > *.wild.test > prefix / > forward default:fallback:80'],
  ['http://wild.test/any', 'http > * > exact /any > forward default:any:80'],
  ['http://127.0.0.1/any', 'http > * > exact /any > forward default:any:80'],
  ['http://[::1]:8080/any', 'http > * > exact /any > forward default:any:80'],
  [
    'http://shop.example.com/a?b=c',
    'http > shop.example.com > prefix / > 308 https://shop.example.com:8443/a?b=c ⇒ https > shop > shop.example.com > prefix / > forward default:cart:80',
  ],
  ['https://shop.example.com/', 'https > shop > shop.example.com > prefix / > forward default:cart:80'],
  ['https://other.example.com/', 'https > wild > no host: shop.example.com'],
  ['https://raw.example.com/x', 'https > raw > passthrough default:raw:443'],
  ['https://a.raw.test/', 'https > raws > passthrough default:raw:443'],
  ['https://b.a.raw.test/', 'https > no tls: *.raw.test | *.example.com | raw.example.com | shop.example.com'],
  ['https://127.0.0.1/', 'https > no tls: *.raw.test | *.example.com | raw.example.com | shop.example.com'],
  ['http://plain.test:9000/', 'host-port-9000 > plain.test > prefix / > forward undefined'],
  ['http://plian.test:9000/', 'host-port-9000 > no host: plain.test'],
  ['http://plain.test:81/', 'no listener: http port 8080 | http port 9000 | https port 8443'],
  ['https://plain.test:9000/', 'no listener: https port 8443 | http port 8080 | http port 9000'],
];
for (const [url, expected] of CASES) {
  test(`${url} ${expected.includes(' > no ') || expected.startsWith('no ') ? 'goes nowhere' : 'goes its way'}`, () => {
    assert.equal(summary(explainUrl(MODEL, new URL(url))), expected);
  });
}

test('names the endpoints, the certificate and the routes that did not match', () => {
  const tls = explainUrl(MODEL, new URL('https://shop.example.com/'));
  assert.deepEqual(tls.endpointSet?.endpoints, [{ address: '10.0.0.1', port: 8000 }]);
  assert.equal(tls.certificate?.name, 'default/shop');
  const third = explainUrl(MODEL, new URL('http://plain.test/cart/items'));
  assert.deepEqual([third.route?.position, third.route?.total], [3, 4]);
  assert.deepEqual(
    third.route?.passedOver.map(({ name }) => name),
    ['exact /cart', 'regex /v[0-9]+/.*'],
  );
});

test('an explanation does not give a key away', () => {
  assert.doesNotMatch(JSON.stringify(explainUrl(MODEL, new URL('https://shop.example.com/'))), /KEYMATERIAL/);
});

test('only HTTP is explained', () => {
  assert.throws(() => explainUrl(MODEL, new URL('ftp://plain.test/')), /neither http nor https/);
});
