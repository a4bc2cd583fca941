import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '@sluice/envoy-protos/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { extension, httpFilter, type Json, resource } from '../testkit/envoy-config-manifests.ts';
import { envoyConfigObject } from '../testkit/kube-objects.ts';
import { type EnvoyConfigOptions, readEnvoyConfig } from './read-envoy-config.ts';

const ENFORCED: EnvoyConfigOptions = { allow: ['envoy.config.listener.v3.Listener.address'], mark: 0xd00, clientMark: 0xd02 };
const ROUTES = [{ match: { prefix: '/' }, route: { cluster: 'own' } }];

function hostOf(more: Json): Json {
  return { virtualHosts: [{ name: 'all', domains: ['*'], routes: ROUTES, ...more }] };
}

/** The conditions of a virtual host, in routes of their own, of a listener with an address and of one that Services are led to. */
function conditionsOf(more: Json, options: EnvoyConfigOptions): readonly (string | undefined)[] {
  const listener = (name: string, address: Json) => {
    const manager = extension('filters.network.http_connection_manager.v3.HttpConnectionManager', {
      statPrefix: name,
      routeConfig: { name, ...hostOf(more) },
      httpFilters: [httpFilter('router.v3.Router')],
    });
    return resource('envoy.config.listener.v3.Listener', { name, ...address, filterChains: [{ filters: [manager] }] });
  };
  const resources = [
    resource('envoy.config.cluster.v3.Cluster', { name: 'own', type: 'STATIC' }),
    resource('envoy.config.route.v3.RouteConfiguration', { name: 'routes', ...hostOf(more) }),
    listener('there', { address: { socketAddress: { address: '0.0.0.0', portValue: 80 } } }),
    listener('led', {}),
  ];
  const { config } = readEnvoyConfig(envoyConfigObject({ services: [{ name: 'web', listener: 'led' }], resources }), options);
  assert.ok(config);
  const bodies = [
    ...config.resources.map((each) => each.resource),
    ...config.listeners.map(({ name, body }) => ({ name, body, typeUrl: '' })),
  ];
  return bodies
    .flatMap(({ name, body, typeUrl }) => {
      if (name.endsWith('/own')) return [];
      if (typeUrl.endsWith('RouteConfiguration')) return fromBinary(RouteConfigurationSchema, body).virtualHosts;
      const config = fromBinary(ListenerSchema, body).filterChains[0]?.filters[0]?.configType.value;
      const manager = config && 'typeUrl' in config ? anyUnpack(config, HttpConnectionManagerSchema) : undefined;
      return manager?.routeSpecifier.case === 'routeConfig' ? manager.routeSpecifier.value.virtualHosts : [];
    })
    .map(({ retryPolicy, retryPolicyTypedConfig }) => retryPolicy?.retryOn ?? retryPolicyTypedConfig?.typeUrl);
}

describe('virtual hosts of configs where policies are enforced', () => {
  test('have requests that change nothing sent again, wherever they stand', () => {
    assert.deepEqual(conditionsOf({}, ENFORCED), ['reset', 'reset', 'reset']);
  });

  test('have what they say themselves', () => {
    assert.deepEqual(conditionsOf({ retryPolicy: { retryOn: '5xx' } }, ENFORCED), ['5xx', '5xx', '5xx']);
  });

  test('have nothing of it elsewhere', () => {
    assert.deepEqual(conditionsOf({}, { allow: ENFORCED.allow }), [undefined, undefined]);
  });
});
