import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescMessage, fromBinary, toJson } from '@bufbuild/protobuf';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '@sluice/envoy-protos/envoy/config/endpoint/v3/endpoint_pb.js';
import { VirtualHostSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_components_pb.js';
import { SecretSchema } from '@sluice/envoy-protos/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { type Cluster, type FieldRef, Redacted, type Route, type RouteAction } from '../../model/index.ts';
import { translateCertificate } from './certificates.ts';
import { translateCluster } from './clusters.ts';
import { translateEndpoints } from './endpoints.ts';
import { ENDPOINTS } from './types.ts';
import { translateVirtualHost } from './virtual-hosts.ts';

const SOURCE: FieldRef = { object: { kind: 'Ingress', namespace: 'default', name: 'web' }, path: [] };

const CLUSTER: Cluster = {
  name: 'default:web:80',
  discovery: { kind: 'eds', serviceName: 'default/web:80' },
  protocol: 'http1',
  balancing: 'round-robin',
  options: { connectTimeoutMs: 1500, idleTimeoutMs: 60_000 },
  sources: [SOURCE],
};

function json<S extends DescMessage>(schema: S, body: Uint8Array) {
  return toJson(schema, fromBinary(schema, body), { registry: envoyRegistry() });
}

function routeTo(match: Route['match'], action: RouteAction): Route {
  return { name: 'default/web', match, action, source: SOURCE };
}

function translatedRoutes(host: string, routes: readonly Route[], beyondOneLabel: readonly Route[] = []): unknown {
  const encoded = translateVirtualHost({ table: 'listener-insecure', host, routes, beyondOneLabel, sources: [] });
  return json(VirtualHostSchema, encoded.body);
}

const FORWARD: RouteAction = { kind: 'forward', cluster: CLUSTER.name, timeoutMs: 0 };
const FORWARDED = { cluster: CLUSTER.name, timeout: '0s' };

const ROUTES: readonly { readonly name: string; readonly route: Route; readonly becomes: object }[] = [
  {
    name: 'an exact path',
    route: routeTo({ kind: 'exact', value: '/a' }, FORWARD),
    becomes: { match: { path: '/a' }, route: FORWARDED },
  },
  {
    name: 'a prefix, element by element',
    route: routeTo({ kind: 'prefix', value: '/a' }, FORWARD),
    becomes: { match: { pathSeparatedPrefix: '/a' }, route: FORWARDED },
  },
  {
    name: 'the prefix of everything',
    route: routeTo({ kind: 'prefix', value: '/' }, FORWARD),
    becomes: { match: { prefix: '/' }, route: FORWARDED },
  },
  {
    name: 'a regex',
    route: routeTo({ kind: 'regex', value: '/a[0-9]+' }, FORWARD),
    becomes: { match: { safeRegex: { regex: '/a[0-9]+' } }, route: FORWARDED },
  },
  {
    name: 'a timeout and retries',
    route: routeTo(
      { kind: 'prefix', value: '/' },
      { ...FORWARD, timeoutMs: 2500, retry: { on: ['5xx', 'reset'], attempts: 3, perTryTimeoutMs: 500 } },
    ),
    becomes: {
      match: { prefix: '/' },
      route: { cluster: CLUSTER.name, timeout: '2.500s', retryPolicy: { retryOn: '5xx,reset', numRetries: 3, perTryTimeout: '0.500s' } },
    },
  },
  {
    name: 'affinity by source address',
    route: routeTo({ kind: 'prefix', value: '/' }, { ...FORWARD, affinity: { kind: 'source-ip' } }),
    becomes: { match: { prefix: '/' }, route: { ...FORWARDED, hashPolicy: [{ connectionProperties: { sourceIp: true } }] } },
  },
  {
    name: 'affinity by cookie',
    route: routeTo({ kind: 'prefix', value: '/' }, { ...FORWARD, affinity: { kind: 'cookie', name: 'who', ttlMs: 60_000 } }),
    becomes: { match: { prefix: '/' }, route: { ...FORWARDED, hashPolicy: [{ cookie: { name: 'who', path: '/', ttl: '60s' } }] } },
  },
  {
    name: 'a redirect to HTTPS',
    route: routeTo({ kind: 'prefix', value: '/' }, { kind: 'redirect-https', port: 8443, status: 308 }),
    becomes: { match: { prefix: '/' }, redirect: { httpsRedirect: true, portRedirect: 8443, responseCode: 'PERMANENT_REDIRECT' } },
  },
  {
    name: 'an answer without a backend',
    route: routeTo({ kind: 'prefix', value: '/' }, { kind: 'respond', status: 500, body: '' }),
    becomes: { match: { prefix: '/' }, directResponse: { status: 500 } },
  },
];

for (const { name, route, becomes } of ROUTES) {
  test(`route: ${name}`, () => {
    assert.deepEqual(translatedRoutes('a.test', [route]), {
      name: 'a.test',
      domains: ['a.test'],
      routes: [{ name: 'default/web', ...becomes }],
    });
  });
}

test('a wildcard host sends requests with several labels where they would go without it', () => {
  const own = routeTo({ kind: 'prefix', value: '/' }, FORWARD);
  const fallback = routeTo({ kind: 'prefix', value: '/' }, { kind: 'respond', status: 418, body: '' });
  const guard = { name: ':authority', stringMatch: { safeRegex: { regex: '(?i)[^.:]+\\.[^:]+\\.a\\.test(:[0-9]+)?' } } };
  assert.deepEqual(translatedRoutes('*.a.test', [own], [fallback]), {
    name: '*.a.test',
    domains: ['*.a.test'],
    routes: [
      { name: 'default/web', match: { prefix: '/', headers: [guard] }, directResponse: { status: 418 } },
      { name: 'beyond one label', match: { prefix: '/', headers: [guard] }, directResponse: { status: 404 } },
      { name: 'default/web', match: { prefix: '/' }, route: FORWARDED },
    ],
  });
});

test('a virtual host names the clusters it needs, each once', () => {
  const to = (cluster: string) => routeTo({ kind: 'prefix', value: '/' }, { ...FORWARD, cluster });
  const { clusters } = translateVirtualHost({
    table: 't',
    host: '*.a.test',
    routes: [to('b'), to('a'), to('b')],
    beyondOneLabel: [to('c')],
    sources: [],
  });
  assert.deepEqual(clusters, ['a', 'b', 'c']);
});

test('requests that change nothing are sent again where nodes enforce policies, unless a route says how', () => {
  const retry = { on: ['connect-failure'], attempts: 2, perTryTimeoutMs: 0 };
  const routes = [routeTo({ kind: 'exact', value: '/a' }, { ...FORWARD, retry }), routeTo({ kind: 'prefix', value: '/' }, FORWARD)];
  const virtualHost = { table: 't', host: 'a.test', routes, beyondOneLabel: [], sources: [] };
  assert.deepEqual(json(VirtualHostSchema, translateVirtualHost(virtualHost, { endsKept: true }).body), {
    ...Object(json(VirtualHostSchema, translateVirtualHost(virtualHost).body)),
    retryPolicy: {
      retryOn: 'reset',
      numRetries: 3,
      retryBackOff: { baseInterval: '0.050s' },
      retriableRequestHeaders: [{ name: ':method', stringMatch: { safeRegex: { regex: 'GET|HEAD|OPTIONS' } } }],
    },
  });
});

test('a cluster is discovered by EDS, which it requires', () => {
  const resource = translateCluster(CLUSTER);
  assert.deepEqual(resource.requires, [{ typeUrl: ENDPOINTS, name: 'default/web:80' }]);
  assert.deepEqual(json(ClusterSchema, resource.body), {
    name: 'default:web:80',
    type: 'EDS',
    edsClusterConfig: { serviceName: 'default/web:80', edsConfig: { ads: {}, resourceApiVersion: 'V3' } },
    connectTimeout: '1.500s',
    circuitBreakers: {
      thresholds: [{ maxConnections: 4294967295, maxPendingRequests: 4294967295, maxRequests: 4294967295, maxRetries: 4294967295 }],
    },
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        commonHttpProtocolOptions: { idleTimeout: '60s' },
        explicitHttpConfig: { httpProtocolOptions: {} },
      },
    },
  });
});

test('sockets for Ingresses are marked where nodes enforce policies, and no others', () => {
  const option = (description: string, level: number, name: number, intValue: number) => ({
    description,
    ...(level > 0 && { level: String(level) }),
    name: String(name),
    intValue: String(intValue),
  });
  const upstreamBindConfig = { socketOptions: [option('SO_MARK', 1, 36, 0xd00), option('IP_TRANSPARENT', 0, 19, 1)] };
  const marked = JSON.stringify(json(ClusterSchema, translateCluster(CLUSTER, { mark: 0xd00 }).body));
  const lasting = marked.replace('"maxConnectionDuration":"20s",', '').replace(',"maxConnectionDuration":"20s"', '');
  assert.notEqual(lasting, marked);
  assert.deepEqual(JSON.parse(lasting), { ...Object(json(ClusterSchema, translateCluster(CLUSTER).body)), upstreamBindConfig });
});

test('an external name is resolved by DNS and requires nothing', () => {
  const resource = translateCluster({ ...CLUSTER, discovery: { kind: 'dns', hostname: 'example.com', port: 443 } });
  assert.deepEqual(resource.requires, []);
  const message = fromBinary(ClusterSchema, resource.body);
  assert.equal(message.clusterDiscoveryType.case, 'type');
  assert.deepEqual(message.loadAssignment && toJson(ClusterLoadAssignmentSchema, message.loadAssignment), {
    clusterName: 'default:web:80',
    endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address: 'example.com', portValue: 443 } } } }] }],
  });
});

test('endpoints keep their order, and none is an answer too', () => {
  const set = {
    name: 'default/web:80',
    endpoints: [
      { address: '10.0.0.1', port: 8080 },
      { address: '::1', port: 8080 },
    ],
    sources: [],
  };
  assert.deepEqual(json(ClusterLoadAssignmentSchema, translateEndpoints(set).body), {
    clusterName: 'default/web:80',
    endpoints: [
      {
        lbEndpoints: [
          { endpoint: { address: { socketAddress: { address: '10.0.0.1', portValue: 8080 } } } },
          { endpoint: { address: { socketAddress: { address: '::1', portValue: 8080 } } } },
        ],
      },
    ],
  });
  assert.deepEqual(json(ClusterLoadAssignmentSchema, translateEndpoints({ ...set, endpoints: [] }).body), {
    clusterName: 'default/web:80',
  });
});

test('an endpoint has its address of the other family, where both are told', () => {
  const endpoints = [{ address: '10.0.0.1', otherAddress: 'fd00::1', port: 8080 }];
  const { body } = translateEndpoints({ name: 'default/web', endpoints, sources: [] });
  const addresses = ['10.0.0.1', 'fd00::1'].map((address) => ({ address: { socketAddress: { address, portValue: 8080 } } }));
  assert.deepEqual(json(ClusterLoadAssignmentSchema, body), {
    clusterName: 'default/web',
    endpoints: [{ lbEndpoints: [{ endpoint: { ...addresses[0], additionalAddresses: addresses.slice(1) } }] }],
  });
});

test('a certificate carries its key to Envoy', () => {
  const resource = translateCertificate({ name: 'default/tls', chain: 'CHAIN', privateKey: new Redacted('KEY'), sources: [] });
  assert.deepEqual(json(SecretSchema, resource.body), {
    name: 'default/tls',
    tlsCertificate: { certificateChain: { inlineString: 'CHAIN' }, privateKey: { inlineString: 'KEY' } },
  });
});

test('the version of a resource changes with its content and with nothing else', () => {
  const { version } = translateCluster(CLUSTER);
  assert.equal(translateCluster({ ...CLUSTER, sources: [] }).version, version);
  assert.notEqual(translateCluster({ ...CLUSTER, protocol: 'http2' }).version, version);
});
