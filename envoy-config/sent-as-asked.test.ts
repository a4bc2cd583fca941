import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { validateObject } from '../kube/index.ts';
import { formatPath } from '../model/index.ts';
import { ROUTES } from '../xds-server/translate/types.ts';
import { readEnvoyConfig } from './read-envoy-config.ts';

type Json = Readonly<Record<string, unknown>>;

const API = 'type.googleapis.com/envoy';
const EXTENSION = `${API}.extensions`;
const TLS = { name: 'tls', typedConfig: { '@type': `${EXTENSION}.transport_sockets.tls.v3.UpstreamTlsContext` } };
const RAW = { name: 'raw', typedConfig: { '@type': `${EXTENSION}.transport_sockets.raw_buffer.v3.RawBuffer` } };
const ADDED = [{ header: { key: 'x-a', value: 'b' } }];
const MUTATES = {
  '@type': `${EXTENSION}.filters.http.header_mutation.v3.HeaderMutation`,
  mutations: { requestMutations: [{ remove: 'x-a' }] },
};
const HTTP_OPTIONS = `${EXTENSION}.upstreams.http.v3.HttpProtocolOptions`;

const ROUTER = { name: 'router', typedConfig: { '@type': `${EXTENSION}.filters.http.router.v3.Router` } };
const filter = (type: string, fields: Json = {}): Json => ({
  name: type,
  typedConfig: { '@type': `${EXTENSION}.filters.http.${type}`, ...fields },
});

interface Parts {
  readonly cluster?: Json;
  readonly action?: Json;
  readonly route?: Json;
  readonly host?: Json;
  readonly routes?: Json;
  readonly manager?: Json;
  readonly filters?: readonly Json[];
  readonly chains?: readonly Json[];
  readonly isInline?: boolean;
}

function read(parts: Parts) {
  const {
    cluster = {},
    action = {},
    route = {},
    host = {},
    routes = {},
    manager = {},
    filters = [],
    chains = [],
    isInline = false,
  } = parts;
  const hosts = [
    { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'web', ...action }, ...route }], ...host },
  ];
  const table = { name: 'routes', virtualHosts: hosts, ...routes };
  const typedConfig = {
    '@type': `${EXTENSION}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    statPrefix: 'web',
    ...(isInline ? { routeConfig: table } : { rds: { routeConfigName: 'routes' } }),
    httpFilters: [...filters, ROUTER],
    ...manager,
  };
  const listener = {
    '@type': `${API}.config.listener.v3.Listener`,
    name: 'front',
    filterChains: [{ filters: [{ name: 'http', typedConfig }] }, ...chains],
  };
  const resources = [
    listener,
    ...(isInline ? [] : [{ '@type': `${API}.config.route.v3.RouteConfiguration`, ...table }]),
    {
      '@type': `${API}.config.cluster.v3.Cluster`,
      name: 'web',
      type: 'EDS',
      edsClusterConfig: { serviceName: 'default/web' },
      transportSocket: TLS,
      ...cluster,
    },
  ];
  // Without what cases take away.
  const spec: unknown = JSON.parse(JSON.stringify({ services: [{ name: 'web' }], backendServices: [{ name: 'web' }], resources }));
  const seen = validateObject({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumEnvoyConfig',
    metadata: { name: 'web', namespace: 'default' },
    spec,
  });
  assert.ok(seen.result === 'valid' && seen.object.kind === 'CiliumEnvoyConfig', JSON.stringify(seen));
  const { config, diagnostics } = readEnvoyConfig(seen.object, { allow: [], mark: 0xd00, clientMark: 0xd02 });
  assert.deepEqual([...new Set(diagnostics.map(({ code }) => code))], diagnostics.length === 0 ? [] : ['UnaskedTls']);
  const [led] = config?.listeners ?? [];
  assert.ok(config && led);
  return { config, led, told: diagnostics.map(({ path }) => formatPath(path)) };
}

function optionsOf({ config }: ReturnType<typeof read>): readonly string[] {
  const cluster = config.resources.find(({ resource }) => resource.name === 'default/web/web');
  assert.ok(cluster);
  return (fromBinary(ClusterSchema, cluster.resource.body).upstreamBindConfig?.socketOptions ?? []).map(({ description }) => description);
}

const KEPT: readonly (readonly [string, Parts])[] = [
  ['routes', {}],
  ['routes of its own', { isInline: true }],
  [
    'weights, retries and timeouts',
    {
      action: {
        cluster: undefined,
        weightedClusters: { clusters: [{ name: 'web', weight: 1 }] },
        timeout: '1s',
        retryPolicy: { retryOn: '5xx' },
      },
    },
  ],
  ['answers of its own', { route: { route: undefined, redirect: { pathRedirect: '/' } } }],
  ['headers of answers', { routes: { responseHeadersToAdd: ADDED } }],
  ['filters before that change requests', { filters: [filter('header_mutation.v3.HeaderMutation', MUTATES)] }],
];

/** With the field for which it is so. */
const CHANGED: readonly (readonly [what: string, at: string, Parts])[] = [
  [
    'a path that a route writes',
    'spec.resources[1].virtualHosts[0].routes[0].route.prefixRewrite',
    { action: { prefixRewrite: '/private' } },
  ],
  [
    'a path by an expression',
    'spec.resources[1].virtualHosts[0].routes[0].route.regexRewrite',
    { action: { regexRewrite: { pattern: { regex: 'a' }, substitution: 'b' } } },
  ],
  [
    'a host that a route writes',
    'spec.resources[1].virtualHosts[0].routes[0].route.hostRewriteLiteral',
    { action: { hostRewriteLiteral: 'other' } },
  ],
  ['the server’s own host', 'spec.resources[1].virtualHosts[0].routes[0].route.autoHostRewrite', { action: { autoHostRewrite: true } }],
  ['headers of a route', 'spec.resources[1].virtualHosts[0].routes[0].requestHeadersToAdd', { route: { requestHeadersToAdd: ADDED } }],
  [
    'headers that a route takes away',
    'spec.resources[1].virtualHosts[0].routes[0].requestHeadersToRemove',
    { route: { requestHeadersToRemove: ['x-a'] } },
  ],
  ['headers of a virtual host', 'spec.resources[1].virtualHosts[0].requestHeadersToAdd', { host: { requestHeadersToAdd: ADDED } }],
  ['headers of all routes', 'spec.resources[1].requestHeadersToRemove', { routes: { requestHeadersToRemove: ['x-a'] } }],
  [
    'headers of a weighted cluster',
    'spec.resources[1].virtualHosts[0].routes[0].route.weightedClusters.clusters[0].requestHeadersToAdd',
    { action: { cluster: undefined, weightedClusters: { clusters: [{ name: 'web', weight: 1, requestHeadersToAdd: ADDED }] } } },
  ],
  [
    'a redirect that Envoy follows itself',
    'spec.resources[1].virtualHosts[0].routes[0].route.internalRedirectPolicy',
    { action: { internalRedirectPolicy: {} } },
  ],
  [
    'what a route tells filters',
    'spec.resources[1].virtualHosts[0].routes[0].typedPerFilterConfig',
    { route: { typedPerFilterConfig: { router: { '@type': `${EXTENSION}.filters.http.cors.v3.CorsPolicy` } } } },
  ],
  [
    'the same, inline',
    'spec.resources[0].filterChains[0].filters[0].typedConfig.routeConfig.virtualHosts[0].routes[0].route.prefixRewrite',
    { isInline: true, action: { prefixRewrite: '/private' } },
  ],
  [
    'filters that come back to a request',
    'spec.resources[0].filterChains[0].filters[0].typedConfig.httpFilters[0]',
    { filters: [filter('buffer.v3.Buffer', { maxRequestBytes: 1 })] },
  ],
  [
    'filters behind the router',
    'spec.resources[0].filterChains[0].filters[0].typedConfig.httpFilters[0]',
    {
      manager: {
        httpFilters: [
          filter('router.v3.Router', {
            upstreamHttpFilters: [{ name: 'x', typedConfig: MUTATES }, filter('upstream_codec.v3.UpstreamCodec')],
          }),
        ],
      },
    },
  ],
  [
    'upgrades by filters of their own',
    'spec.resources[0].filterChains[0].filters[0].typedConfig.upgradeConfigs[0].filters',
    { manager: { upgradeConfigs: [{ upgradeType: 'websocket', filters: [ROUTER] }] } },
  ],
  ['tracing', 'spec.resources[0].filterChains[0].filters[0].typedConfig.tracing', { manager: { tracing: {} } }],
  [
    'bytes that are passed on',
    'spec.resources[0].filterChains[1].filters[0]',
    {
      chains: [
        {
          filterChainMatch: { destinationPort: 81 },
          filters: [
            {
              name: 'tcp',
              typedConfig: { '@type': `${EXTENSION}.filters.network.tcp_proxy.v3.TcpProxy`, statPrefix: 'a', cluster: 'web' },
            },
          ],
        },
      ],
    },
  ],
];

describe('a listener whose cluster begins TLS', () => {
  for (const [what, parts] of KEPT) {
    test(`sends as it asked: ${what}`, () => {
      const { led, told } = read(parts);
      assert.deepEqual([led.sendsAsAsked, told], [true, []]);
    });
  }

  for (const [what, at, parts] of CHANGED) {
    test(`sends something else, and its owner is told: ${what}`, () => {
      const { led, told } = read(parts);
      assert.deepEqual([led.sendsAsAsked, told], [false, [at]]);
    });
  }

  test('has routes of a name that nothing else ever has', () => {
    const { config, led } = read({});
    const name = 'sluice.as-asked/default/web/routes';
    const chain = fromBinary(ListenerSchema, led.body).filterChains[0]?.filters[0]?.configType;
    assert.ok(chain?.case === 'typedConfig');
    const routes = anyUnpack(chain.value, HttpConnectionManagerSchema)?.routeSpecifier;
    assert.equal(routes?.case === 'rds' && routes.value.routeConfigName, name);
    assert.deepEqual(
      led.requires.filter(({ typeUrl }) => typeUrl === ROUTES).map((each) => each.name),
      [name],
    );
    const served = config.resources.filter(({ resource }) => resource.typeUrl === ROUTES).map(({ resource }) => resource.name);
    assert.deepEqual(served, ['default/web/routes', name]);
    const changed = read({ action: { prefixRewrite: '/private' } }).config.resources.filter(({ resource }) => resource.typeUrl === ROUTES);
    assert.deepEqual(
      changed.map(({ resource }) => resource.name),
      ['default/web/routes'],
    );
  });
});

describe('a cluster', () => {
  const withOptions = (fields: Json): Json => ({
    typedExtensionProtocolOptions: { x: { '@type': HTTP_OPTIONS, explicitHttpConfig: { httpProtocolOptions: {} }, ...fields } },
  });
  for (const [what, cluster, isSealed, told] of [
    ['begins TLS', {}, true, []],
    ['begins TLS, and says how it speaks HTTP', withOptions({}), true, []],
    ['begins no TLS', { transportSocket: undefined }, false, []],
    ['begins none by name', { transportSocket: RAW }, false, []],
    [
      'begins TLS for some',
      { transportSocketMatches: [{ name: 'x', transportSocket: RAW }] },
      false,
      ['spec.resources[2].transportSocketMatches'],
    ],
    [
      'begins TLS for others',
      { transportSocket: undefined, transportSocketMatches: [{ name: 'x', transportSocket: TLS }] },
      false,
      ['spec.resources[2].transportSocketMatches'],
    ],
    [
      'has filters of its own',
      withOptions({ httpFilters: [{ name: 'x', typedConfig: MUTATES }, filter('upstream_codec.v3.UpstreamCodec')] }),
      false,
      ['spec.resources[2].typedExtensionProtocolOptions.x.httpFilters'],
    ],
  ] as const) {
    test(`that ${what} ${isSealed ? 'leaves the mark to its listener' : 'has a mark'}`, () => {
      const scene = read({ cluster });
      assert.equal(optionsOf(scene)[0], isSealed ? 'SO_PRIORITY' : 'SO_MARK');
      assert.deepEqual([scene.led.sendsAsAsked, scene.told], [isSealed, told]);
    });
  }
});
