import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromJson, type JsonObject, toBinary, toJson } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { stepsOf } from '../messages/path.ts';
import { referencesIn, rewriteReferences } from './references.ts';

const registry = envoyRegistry();

const CORE = 'envoy.config.core.v3';
const HTTP = 'envoy.extensions.filters.http';
const NETWORK = 'envoy.extensions.filters.network';
const TLS = 'envoy.extensions.transport_sockets.tls.v3';

interface Case {
  readonly title: string;
  readonly type: string;
  readonly json: JsonObject;
  /** Path, what is named, its name. */
  readonly references: readonly string[];
}

const CASES: readonly Case[] = [
  {
    title: 'routes by discovery, filters and their access logs, two Anys deep',
    type: 'envoy.config.listener.v3.Listener',
    json: {
      name: 'web',
      filterChains: [
        {
          name: 'web',
          filters: [
            {
              name: 'web',
              typedConfig: {
                ...typed(`${NETWORK}.http_connection_manager.v3.HttpConnectionManager`),
                statPrefix: 'web',
                rds: { routeConfigName: 'routes' },
                httpFilters: [
                  {
                    name: 'authz',
                    typedConfig: { ...typed(`${HTTP}.ext_authz.v3.ExtAuthz`), grpcService: { envoyGrpc: { clusterName: 'authz' } } },
                  },
                  { name: 'slot', configDiscovery: { typeUrls: ['x'] } },
                ],
              },
            },
          ],
          transportSocket: {
            name: 'tls',
            typedConfig: {
              ...typed(`${TLS}.DownstreamTlsContext`),
              commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: 'cert' }], validationContextSdsSecretConfig: { name: 'ca' } },
            },
          },
        },
      ],
    },
    references: [
      'filterChains.0.filters.0.typedConfig.rds.routeConfigName: route-configuration routes',
      'filterChains.0.filters.0.typedConfig.httpFilters.0.typedConfig.grpcService.envoyGrpc.clusterName: cluster authz',
      'filterChains.0.filters.0.typedConfig.httpFilters.1.name: extension-config slot',
      'filterChains.0.transportSocket.typedConfig.commonTlsContext.tlsCertificateSdsSecretConfigs.0.name: secret cert',
      'filterChains.0.transportSocket.typedConfig.commonTlsContext.validationContextSdsSecretConfig.name: secret ca',
    ],
  },
  {
    title: 'clusters of routes: one, several, mirrored; a name of a virtual host or a plugin is none',
    type: 'envoy.config.route.v3.RouteConfiguration',
    json: {
      name: 'routes',
      virtualHosts: [
        {
          name: 'web',
          domains: ['*'],
          routes: [
            { name: 'one', match: { prefix: '/' }, route: { cluster: 'a', requestMirrorPolicies: [{ cluster: 'mirror' }] } },
            { match: { prefix: '/' }, route: { weightedClusters: { clusters: [{ name: 'b', weight: 1 }, { name: 'c' }] } } },
            { match: { prefix: '/' }, route: { clusterSpecifierPlugin: 'plugin' } },
            { match: { prefix: '/' }, route: { clusterHeader: 'x-cluster' } },
          ],
        },
      ],
      clusterSpecifierPlugins: [
        {
          extension: {
            name: 'plugin',
            typedConfig: {
              ...typed('envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier'),
              clusterMatcher: {
                onNoMatch: {
                  action: {
                    name: 'd',
                    typedConfig: { ...typed('envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction'), cluster: 'd' },
                  },
                },
              },
            },
          },
        },
      ],
    },
    references: [
      'virtualHosts.0.routes.0.route.cluster: cluster a',
      'virtualHosts.0.routes.0.route.requestMirrorPolicies.0.cluster: cluster mirror',
      'virtualHosts.0.routes.1.route.weightedClusters.clusters.0.name: cluster b',
      'virtualHosts.0.routes.1.route.weightedClusters.clusters.1.name: cluster c',
      'clusterSpecifierPlugins.0.extension.typedConfig.clusterMatcher.onNoMatch.action.typedConfig.cluster: cluster d',
    ],
  },
  {
    title: 'a cluster whose endpoints have a name of their own',
    type: 'envoy.config.cluster.v3.Cluster',
    json: { name: 'web', type: 'EDS', edsClusterConfig: { serviceName: 'default/web:80' } },
    references: ['edsClusterConfig.serviceName: endpoints default/web:80'],
  },
  {
    title: 'a cluster whose endpoints have its name',
    type: 'envoy.config.cluster.v3.Cluster',
    json: { name: 'web', type: 'EDS', edsClusterConfig: {} },
    references: ['name: endpoints web (implied)'],
  },
  {
    title: 'a cluster with endpoints of its own, one of them a listener within',
    type: 'envoy.config.cluster.v3.Cluster',
    json: {
      name: 'web',
      type: 'STATIC',
      loadAssignment: {
        clusterName: 'web',
        endpoints: [
          { lbEndpoints: [{ endpoint: { address: { envoyInternalAddress: { serverListenerName: 'inner', endpointId: 'web' } } } }] },
        ],
      },
    },
    references: ['loadAssignment.endpoints.0.lbEndpoints.0.endpoint.address.envoyInternalAddress.serverListenerName: listener inner'],
  },
  {
    title: 'a cluster of clusters',
    type: 'envoy.config.cluster.v3.Cluster',
    json: {
      name: 'all',
      clusterType: {
        name: 'aggregate',
        typedConfig: { ...typed('envoy.extensions.clusters.aggregate.v3.ClusterConfig'), clusters: ['a', 'b'] },
      },
    },
    references: ['clusterType.typedConfig.clusters.0: cluster a', 'clusterType.typedConfig.clusters.1: cluster b'],
  },
  {
    title: 'the keys of a map',
    type: `${HTTP}.health_check.v3.HealthCheck`,
    json: { passThroughMode: false, clusterMinHealthyPercentages: { a: { value: 50 }, b: { value: 1 } } },
    references: ['clusterMinHealthyPercentages.a: cluster a', 'clusterMinHealthyPercentages.b: cluster b'],
  },
  {
    title: 'a token endpoint, and secrets with no source',
    type: `${HTTP}.oauth2.v3.OAuth2`,
    json: {
      config: {
        tokenEndpoint: { uri: 'https://web/token', cluster: 'login', timeout: '1s' },
        credentials: { clientId: 'web', tokenSecret: { name: 'token' }, hmacSecret: { name: 'hmac' } },
      },
    },
    references: [
      'config.tokenEndpoint.cluster: cluster login',
      'config.credentials.tokenSecret.name: secret token',
      'config.credentials.hmacSecret.name: secret hmac',
    ],
  },
  {
    title: 'what there is once in an Envoy',
    type: `${NETWORK}.local_ratelimit.v3.LocalRateLimit`,
    json: { statPrefix: 'web', shareKey: 'all' },
    references: ['shareKey: shared all'],
  },
  {
    title: 'an empty name names nothing',
    type: `${NETWORK}.tcp_proxy.v3.TcpProxy`,
    json: { statPrefix: 'web', cluster: '' },
    references: [],
  },
];

for (const { title, type, json, references } of CASES) {
  test(title, () => {
    const message = parsed(type, json);
    const found = referencesIn(message, registry).map(
      ({ to, name, path, implied }) => `${stepsOf(path).join('.')}: ${to} ${name}${implied ? ' (implied)' : ''}`,
    );
    assert.deepEqual(found, references);
    assert.deepEqual(printed(message), json);
  });

  test(`${title}: rewritten`, () => {
    const message = parsed(type, json);
    const written = references.filter((reference) => !reference.endsWith('(implied)'));
    assert.equal(
      rewriteReferences(message, registry, ({ name }) => `new/${name}`),
      written.length > 0,
    );
    const changed = differences(json, printed(message));
    assert.equal(changed.length, written.length);
    for (const [was, is] of changed) assert.equal(is, `new/${was}`);
  });
}

test('what is in an Any of an unknown type stays as it is', () => {
  const any = create(AnySchema, { typeUrl: 'type.googleapis.com/none.Such', value: new Uint8Array([10, 1, 65]) });
  const before = toBinary(AnySchema, any);
  assert.equal(
    rewriteReferences(reflect(AnySchema, any), registry, ({ name }) => `new/${name}`),
    false,
  );
  assert.deepEqual(toBinary(AnySchema, any), before);
});

test('of two keys that become one the later entry stays', () => {
  const message = parsed(`${HTTP}.health_check.v3.HealthCheck`, { clusterMinHealthyPercentages: { a: { value: 1 }, b: { value: 2 } } });
  rewriteReferences(message, registry, () => 'c');
  assert.deepEqual(printed(message), { clusterMinHealthyPercentages: { c: { value: 2 } } });
});

test('a message that stands alone is rewritten too', () => {
  const message = parsed(`${CORE}.HttpUri`, { uri: 'http://web', cluster: 'web' });
  rewriteReferences(message, registry, ({ name }) => `new/${name}`);
  assert.deepEqual(printed(message), { uri: 'http://web', cluster: 'new/web' });
});

function typed(type: string): { readonly '@type': string } {
  return { '@type': `type.googleapis.com/${type}` };
}

function parsed(type: string, json: JsonObject): ReflectMessage {
  const desc = registry.getMessage(type);
  if (!desc) throw new Error(`no ${type}`);
  return reflect(desc, fromJson(desc, json, { registry }));
}

function printed({ desc, message }: ReflectMessage): unknown {
  return toJson(desc, message, { registry });
}

/** The strings, keys included, that differ between two values of one shape. */
function differences(was: unknown, is: unknown): readonly (readonly [unknown, unknown])[] {
  if (typeof was !== 'object' || was === null || typeof is !== 'object' || is === null) return was === is ? [] : [[was, is]];
  const after = Object.entries(is);
  return Object.entries(was).flatMap(([key, value], index) => {
    const other = Object.hasOwn(is, key) ? ([key, Reflect.get(is, key)] as const) : after[index];
    return [...differences(key, other?.[0]), ...differences(value, other?.[1])];
  });
}
