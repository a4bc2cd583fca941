import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { DEFAULT_SETTINGS } from '../settings/index.ts';
import { extension, httpFilter, type Json, resource } from '../testkit/envoy-config-manifests.ts';
import { envoyConfigObject } from '../testkit/kube-objects.ts';
import { COLLECTOR } from '../xds-server/translate/tracing.ts';
import { type EnvoyConfigOptions, readEnvoyConfig } from './read-envoy-config.ts';

const ENFORCED: EnvoyConfigOptions = { allow: ['envoy.config.listener.v3.Listener.address'], mark: 0xd00, clientMark: 0xd02 };

/** What tells of requests, and whether the collector is needed for it, in a listener with an address and in one that Services are led to. */
function tracedBy(own: Json, options: Partial<EnvoyConfigOptions>) {
  const listener = (name: string, address: Json) => {
    const manager = extension('filters.network.http_connection_manager.v3.HttpConnectionManager', {
      statPrefix: name,
      routeConfig: { name, virtualHosts: [] },
      httpFilters: [httpFilter('router.v3.Router')],
      ...own,
    });
    return resource('envoy.config.listener.v3.Listener', { name, ...address, filterChains: [{ filters: [manager] }] });
  };
  const resources = [listener('there', { address: { socketAddress: { address: '0.0.0.0', portValue: 80 } } }), listener('led', {})];
  const { config } = readEnvoyConfig(envoyConfigObject({ services: [{ name: 'web', listener: 'led' }], resources }), {
    ...ENFORCED,
    ...options,
  });
  assert.ok(config);
  return [...config.resources.map(({ resource: { body, requires } }) => ({ body, requires })), ...config.listeners].map(
    ({ body, requires }) => {
      const filter = fromBinary(ListenerSchema, body).filterChains[0]?.filters[0]?.configType.value;
      const manager = filter && 'typeUrl' in filter ? anyUnpack(filter, HttpConnectionManagerSchema) : undefined;
      return {
        provider: manager?.tracing?.provider?.name,
        early: manager?.earlyHeaderMutationExtensions.map(({ name }) => name),
        needsCollector: requires.some(({ name }) => name === COLLECTOR.name),
      };
    },
  );
}

const UNTOLD = { provider: undefined, early: [], needsCollector: false };
const TOLD = { provider: 'envoy.tracers.opentelemetry', early: ['sluice.continue_traces'], needsCollector: true };
const CASES = [
  { name: 'tell nothing where nothing is to be told', own: {}, options: {}, expected: UNTOLD },
  { name: 'tell of requests where they are to', own: {}, options: { tracing: DEFAULT_SETTINGS.tracing }, expected: TOLD },
  { name: 'have what their owners say of it', own: { tracing: {} }, options: { tracing: DEFAULT_SETTINGS.tracing }, expected: UNTOLD },
] as const;

for (const { name, own, options, expected } of CASES) {
  test(`listeners of configs ${name}`, () => {
    assert.deepEqual(tracedBy(own, options), [expected, expected]);
  });
}
