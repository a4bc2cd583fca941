import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Listener, ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '@sluice/envoy-protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { REQUEST_LOG } from '../serve/index.ts';
import { withRequestLogs } from './request-logs.ts';

const OWN = { accessLog: [{ name: 'own' }] };

function chainOf<S extends DescMessage>(schema: S, config: MessageInitShape<S>) {
  return { filters: [{ name: 'f', configType: { case: 'typedConfig', value: anyPack(schema, create(schema, config)) } as const }] };
}

function logsOf<S extends typeof HttpConnectionManagerSchema | typeof TcpProxySchema>(
  { filterChains, defaultFilterChain }: Listener,
  schema: S,
): string[][] {
  const filters = [...filterChains, ...(defaultFilterChain ? [defaultFilterChain] : [])].flatMap((chain) => chain.filters);
  return filters.flatMap(({ configType }) => {
    const found: MessageShape<S> | undefined = configType.case === 'typedConfig' ? anyUnpack(configType.value, schema) : undefined;
    return found ? [found.accessLog.map(({ name }) => name)] : [];
  });
}

test('every part of a listener that serves HTTP, or passes connections on, tells of that, beside its own logs', () => {
  const listener = create(ListenerSchema, {
    filterChains: [chainOf(HttpConnectionManagerSchema, OWN), chainOf(TcpProxySchema, OWN)],
    defaultFilterChain: chainOf(HttpConnectionManagerSchema, {}),
  });
  const logged = withRequestLogs(listener);
  assert.deepEqual(logsOf(logged, HttpConnectionManagerSchema), [['own', REQUEST_LOG], [REQUEST_LOG]]);
  assert.deepEqual(logsOf(logged, TcpProxySchema), [['own', REQUEST_LOG]]);
});

test('what else a listener does stays', () => {
  const listener = create(ListenerSchema, { filterChains: [{ filters: [{ name: 'discovered', configType: { case: undefined } }] }] });
  assert.deepEqual(withRequestLogs(listener), listener);
});
