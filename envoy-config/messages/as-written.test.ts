import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { asWritten } from './as-written.ts';
import { stepsOf } from './path.ts';
import { readAny } from './read-message.ts';
import { walkMessage } from './walk-message.ts';

const registry = envoyRegistry();
const typed = { '@type': 'type.googleapis.com/xds.type.v3.TypedStruct' };

const CASES: Readonly<Record<string, readonly [unknown, string, string]>> = {
  camelCase: [
    { filterChains: [{ filters: [{ typedConfig: {} }] }] },
    'filterChains.0.filters.0.typedConfig',
    'filterChains.0.filters.0.typedConfig',
  ],
  snake_case: [
    { filter_chains: [{ filters: [{ typed_config: {} }] }] },
    'filterChains.0.filters.0.typedConfig',
    'filter_chains.0.filters.0.typed_config',
  ],
  'both, each where it is': [
    { filter_chains: [{ transportSocket: {} }] },
    'filterChains.0.transportSocket',
    'filter_chains.0.transportSocket',
  ],
  'keys of maps as they are': [
    { typed_per_filter_config: { aB: { stat_prefix: 'a' }, a_b: { statPrefix: 'b' } } },
    'typedPerFilterConfig.a_b.statPrefix',
    'typed_per_filter_config.a_b.statPrefix',
  ],
  'the key that is there, not one like it': [{ config: { a_b: {}, aB: {} } }, 'config.aB', 'config.aB'],
  'what is missing like what is around it': [{ stat_prefix: 'a' }, 'routeConfig.virtualHosts', 'route_config.virtual_hosts'],
  'what is missing like what is around what it is in': [{ http_filters: [{}] }, 'httpFilters.0.typedConfig', 'http_filters.0.typed_config'],
  'what is missing where nothing shows how': [{}, 'routeConfig', 'routeConfig'],
  'names of filters show nothing': [{ routes: [{ 'envoy.filters.http.ext_authz': {} }] }, 'routes.0.routeConfig', 'routes.0.routeConfig'],
  'what a TypedStruct describes': [
    { config: { ...typed, type_url: 'x', value: { stat_prefix: 'a', inner: { ...typed, typeUrl: 'x', value: { aB: 1 } } } } },
    'config.inner.aB',
    'config.value.inner.value.aB',
  ],
  'what a TypedStruct lacks': [{ config: { ...typed, type_url: 'x' } }, 'config.statPrefix', 'config.value.stat_prefix'],
};

describe('a path as it was written', () => {
  for (const [name, [json, path, expected]] of Object.entries(CASES)) {
    it(name, () => {
      const steps = path.split('.').map((step) => (/^\d+$/.test(step) ? Number(step) : step));
      assert.equal(asWritten(json, steps).join('.'), expected);
    });
  }

  it('leads to each message that was read', () => {
    const json = {
      '@type': 'envoy.config.listener.v3.Listener',
      filter_chains: [
        {
          filters: [
            {
              name: 'a',
              typedConfig: { '@type': 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', hash_policy: [{ source_ip: {} }] },
            },
            {
              name: 'b',
              typed_config: {
                ...typed,
                typeUrl: 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
                value: { weighted_clusters: { clusters: [{ name: 'c' }] } },
              },
            },
          ],
        },
      ],
    };
    const result = readAny(json, registry);
    assert(result.read);
    const paths: string[] = [];
    walkMessage(result.message, registry, (_, path) => {
      const written = asWritten(json, stepsOf(path));
      let at: unknown = json;
      for (const step of written) at = Reflect.get(Object(at), step);
      assert.equal(typeof at, 'object', written.join('.'));
      paths.push(written.join('.'));
      return false;
    });
    assert.ok(paths.includes('filter_chains.0.filters.1.typed_config.value.weighted_clusters.clusters.0'), paths.join('\n'));
  });

  it('is found by names alone, since those of JSON follow from those declared', () => {
    const fields = [...registry].flatMap((type) => (type.kind === 'message' ? type.fields : []));
    assert.deepEqual(fields.filter(({ name, jsonName }) => protoCamelCase(name) !== jsonName).map(String), []);
  });
});
