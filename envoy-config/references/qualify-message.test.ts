import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { qualifyMessage } from './qualify-message.ts';

const registry = envoyRegistry();
const SHOP = { namespace: 'default', name: 'shop' };

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const LISTENER = 'envoy.config.listener.v3.Listener';

function tcpProxy(cluster: string): JsonObject {
  return { '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', statPrefix: 'web', cluster };
}

function listener(name: string, cluster: string): JsonObject {
  return { name, filterChains: [{ filters: [{ name: 'tcp', typedConfig: tcpProxy(cluster) }] }] };
}

const QUALIFIED: readonly (readonly [type: string, json: JsonObject, expected: JsonObject])[] = [
  [LISTENER, listener('web', 'web'), listener('default/shop/web', 'default/shop/web')],
  [LISTENER, listener('web', 'default/web:80'), listener('default/shop/web', 'default/web:80')],
  [CLUSTER, { name: 'web', type: 'EDS' }, { name: 'default/shop/web', type: 'EDS' }],
  [CLUSTER, { name: 'default/web', type: 'EDS' }, { name: 'default/web', type: 'EDS' }],
  [
    CLUSTER,
    { name: 'web', type: 'EDS', edsClusterConfig: { serviceName: 'sets' } },
    { name: 'default/shop/web', type: 'EDS', edsClusterConfig: { serviceName: 'default/shop/sets' } },
  ],
  [CLUSTER, { name: 'web', loadAssignment: { clusterName: 'web' } }, { name: 'default/shop/web', loadAssignment: { clusterName: 'web' } }],
  ['envoy.config.endpoint.v3.ClusterLoadAssignment', { clusterName: 'web' }, { clusterName: 'default/shop/web' }],
  [
    'envoy.config.route.v3.RouteConfiguration',
    { name: 'web', virtualHosts: [{ name: 'a' }] },
    { name: 'default/shop/web', virtualHosts: [{ name: 'a' }] },
  ],
  ['envoy.extensions.transport_sockets.tls.v3.Secret', { name: 'web' }, { name: 'default/shop/web' }],
];

for (const [type, json, expected] of QUALIFIED) {
  test(`${type} ${JSON.stringify(json)}`, () => {
    const message = parsed(type, json);
    assert.deepEqual(qualifyMessage(message, registry, SHOP), []);
    assert.deepEqual(printed(message), expected);
    assert.deepEqual(qualifyMessage(message, registry, SHOP), [], 'once more');
    assert.deepEqual(printed(message), expected, 'once more');
  });
}

const REFUSED: readonly (readonly [type: string, json: JsonObject, findings: readonly string[], left: JsonObject])[] = [
  [
    LISTENER,
    listener('default/other/web', 'other/web:80'),
    ['name: name-not-permitted', 'filterChains.0.filters.0.typedConfig.cluster: reference-not-permitted'],
    listener('default/other/web', 'other/web:80'),
  ],
  [
    LISTENER,
    listener('web', 'other/web:80'),
    ['filterChains.0.filters.0.typedConfig.cluster: reference-not-permitted'],
    listener('default/shop/web', 'other/web:80'),
  ],
  [CLUSTER, { name: 'other/web', type: 'EDS' }, ['name: name-not-permitted'], { name: 'other/web', type: 'EDS' }],
  [
    LISTENER,
    { name: 'web', filterChains: [{ filters: [{ name: 'slot', configDiscovery: {} }] }] },
    ['filterChains.0.filters.0.name: reference-not-permitted'],
    { name: 'default/shop/web', filterChains: [{ filters: [{ name: 'slot', configDiscovery: {} }] }] },
  ],
];

for (const [type, json, findings, left] of REFUSED) {
  test(`refused, and left as it was written: ${type} ${JSON.stringify(json)}`, () => {
    const message = parsed(type, json);
    const found = qualifyMessage(message, registry, SHOP);
    assert.deepEqual(
      found.map(({ path, code }) => `${path.join('.')}: ${code}`),
      findings,
    );
    assert.ok(found.every(({ message: text }) => text.length > 0));
    assert.deepEqual(printed(message), left);
  });
}

function parsed(type: string, json: JsonObject): ReflectMessage {
  const desc = registry.getMessage(type);
  if (!desc) throw new Error(`no ${type}`);
  return reflect(desc, fromJson(desc, json, { registry }));
}

function printed({ desc, message }: ReflectMessage): unknown {
  return toJson(desc, message, { registry });
}
