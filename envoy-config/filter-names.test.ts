import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPath } from '../model/index.ts';
import { extension, type Json, resource } from '../testkit/envoy-config-manifests.ts';
import { envoyConfigObject } from '../testkit/kube-objects.ts';
import { readEnvoyConfig } from './read-envoy-config.ts';

const MANAGER = 'filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = extension('filters.http.router.v3.Router');
const POLICY = resource('envoy.extensions.filters.http.cors.v3.CorsPolicy', {});
const told = (...names: readonly string[]): Json => ({ typedPerFilterConfig: Object.fromEntries(names.map((name) => [name, POLICY])) });
const named = (name: string, fields: Json = {}): Json => ({ ...extension('filters.http.cors.v3.Cors'), name, ...fields });

function listener(name: string, httpFilters: readonly Json[], more: Json = {}): Json {
  const manager = extension(MANAGER, {
    statPrefix: name,
    rds: { routeConfigName: 'routes' },
    httpFilters: [...httpFilters, ROUTER],
    ...more,
  });
  return resource('envoy.config.listener.v3.Listener', { name, filterChains: [{ filters: [manager] }] });
}

interface Parts {
  readonly route?: Json;
  readonly action?: Json;
  readonly host?: Json;
  readonly table?: Json;
}

function tableOf({ route = {}, action = {}, host = {}, table = {} }: Parts): Json {
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'web', ...action }, ...route }];
  return { name: 'routes', virtualHosts: [{ name: 'all', domains: ['*'], routes, ...host }], ...table };
}

const ROUTES = (parts: Parts) => resource('envoy.config.route.v3.RouteConfiguration', tableOf(parts));
const cluster = (fields: Json = {}) =>
  resource('envoy.config.cluster.v3.Cluster', { name: 'web', type: 'EDS', edsClusterConfig: { serviceName: 'default/web' }, ...fields });

/** Paths, and what is said of them where that is not the usual. */
function findings(...resources: readonly Json[]): readonly string[] {
  const object = envoyConfigObject({ backendServices: [{ name: 'web' }], resources });
  const { config, diagnostics } = readEnvoyConfig(object, { allow: [] });
  assert.ok(config, JSON.stringify(diagnostics));
  return diagnostics.filter(({ code }) => code === 'UnknownFilterName').map(({ path }) => formatPath(path));
}

const A = listener('front', [named('a')]);
const ALL = 'spec.resources[1].virtualHosts[0]';

describe('a name by which routes have something for a filter', () => {
  const UNKNOWN: Readonly<Record<string, readonly [Parts, string]>> = {
    'of a route': [{ route: told('a', 'b') }, `${ALL}.routes[0].typedPerFilterConfig.b`],
    'of a virtual host': [{ host: told('b') }, `${ALL}.typedPerFilterConfig.b`],
    'of all routes': [{ table: told('b') }, 'spec.resources[1].typedPerFilterConfig.b'],
    'of a weight': [
      { action: { cluster: undefined, weightedClusters: { clusters: [{ name: 'web', weight: 1, ...told('b') }] } } },
      `${ALL}.routes[0].route.weightedClusters.clusters[0].typedPerFilterConfig.b`,
    ],
    'as it was written': [{ route: { typed_per_filter_config: { 'a.b': POLICY } } }, `${ALL}.routes[0].typed_per_filter_config["a.b"]`],
    'that is switched off': [
      { route: { typedPerFilterConfig: { b: resource('envoy.config.route.v3.FilterConfig', { disabled: true }) } } },
      `${ALL}.routes[0].typedPerFilterConfig.b`,
    ],
  };
  for (const [what, [parts, at]] of Object.entries(UNKNOWN)) {
    test(`that none has is told of: ${what}`, () => {
      const table = JSON.parse(JSON.stringify(ROUTES(parts)));
      assert.deepEqual(findings(A, table, cluster()), [at]);
    });
  }

  test('is told of in routes that stand in a listener', () => {
    const inline = listener('front', [named('a')], { rds: undefined, routeConfig: tableOf({ route: told('b') }) });
    const at = 'spec.resources[0].filterChains[0].filters[0].typedConfig.routeConfig.virtualHosts[0].routes[0].typedPerFilterConfig.b';
    assert.deepEqual(findings(JSON.parse(JSON.stringify(inline)), cluster()), [at]);
  });

  const UPSTREAM = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const CODEC = extension('filters.http.upstream_codec.v3.UpstreamCodec');
  const behind = {
    typedExtensionProtocolOptions: {
      [UPSTREAM]: resource(UPSTREAM, { explicitHttpConfig: { httpProtocolOptions: {} }, httpFilters: [named('b'), CODEC] }),
    },
  };
  const KNOWN: Readonly<Record<string, readonly Json[]>> = {
    'a filter has': [listener('front', [named('b')])],
    'a filter has that is switched off, or left out where nobody knows it': [
      listener('front', [named('b', { disabled: true, isOptional: true })]),
    ],
    'a filter of another listener has': [A, listener('back', [named('b')])],
    'a filter of an upgrade has': [
      listener('front', [], { upgradeConfigs: [{ upgradeType: 'websocket', filters: [named('b'), ROUTER] }] }),
    ],
    'a filter behind the router has': [
      listener('front', [], { httpFilters: [extension('filters.http.router.v3.Router', { upstreamHttpFilters: [named('b'), CODEC] })] }),
    ],
    'no listener could have, as there is none': [],
  };
  for (const [what, listeners] of Object.entries(KNOWN)) {
    test(`is not told of that ${what}`, () => assert.deepEqual(findings(...listeners, ROUTES({ route: told('b') }), cluster()), []));
  }

  test('is not told of that a filter of a cluster has, or that need not be there', () => {
    assert.deepEqual(findings(A, ROUTES({ route: told('b') }), cluster(behind)), []);
    const optional = resource('envoy.config.route.v3.FilterConfig', { isOptional: true, config: POLICY });
    assert.deepEqual(findings(A, ROUTES({ route: { typedPerFilterConfig: { b: optional } } }), cluster()), []);
  });
});
