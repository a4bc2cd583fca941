import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { OriginalSrcSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { type CiliumEnvoyConfig, validateObject } from '../kube/index.ts';
import { formatPath } from '../model/index.ts';
import { type EnvoyConfigOptions, readEnvoyConfig } from './read-envoy-config.ts';
import { slotOfListener } from './service-listeners.ts';

const API = 'type.googleapis.com/envoy';
const MARKS = { mark: 0xd00, clientMark: 0xd02 };
const PROXY = { '@type': `${API}.extensions.filters.network.tcp_proxy.v3.TcpProxy`, statPrefix: 'a', cluster: 'web' };
const CHAINS = [{ filters: [{ name: 'envoy.filters.network.tcp_proxy', typedConfig: PROXY }] }];
const INSPECTOR = 'envoy.filters.listener.tls_inspector';
const ADDRESS = { socketAddress: { address: '10.0.0.1', portValue: 80 } };
const CLUSTER = { '@type': `${API}.config.cluster.v3.Cluster`, name: 'web', type: 'EDS', edsClusterConfig: { serviceName: 'shop/web' } };

function listener(name: string, more: object = {}) {
  return { '@type': `${API}.config.listener.v3.Listener`, name, filterChains: CHAINS, ...more };
}

function objectOf(listeners: readonly object[], services: readonly object[], annotations: object = {}): CiliumEnvoyConfig {
  const metadata = { name: 'web', namespace: 'shop', annotations };
  const spec = { services, backendServices: [{ name: 'web' }], resources: [...listeners, CLUSTER] };
  const seen = validateObject({ apiVersion: 'cilium.io/v2', kind: 'CiliumEnvoyConfig', metadata, spec });
  assert.ok(seen.result === 'valid' && seen.object.kind === 'CiliumEnvoyConfig', JSON.stringify(seen));
  return seen.object;
}

function read(object: CiliumEnvoyConfig, options: Partial<EnvoyConfigOptions> = MARKS) {
  const { config, diagnostics } = readEnvoyConfig(object, { allow: [], ...options });
  const told = diagnostics.map(({ code, path }) => `${code} ${formatPath(path)}`);
  const [led] = config?.listeners ?? [];
  return { config, told, led, message: led && fromBinary(ListenerSchema, led.body) };
}

const FRONT = [{ name: 'front', ports: [80], listener: 'a' }];

describe('a listener without an address', () => {
  test('is one that the Services are led to which name it, and no resource', () => {
    const { config, told, led, message } = read(objectOf([listener('a')], FRONT));
    assert.deepEqual(told, []);
    assert.equal(led?.name, 'shop/web/a');
    assert.deepEqual(
      led.requires.map(({ name }) => name),
      ['shop/web/web'],
    );
    assert.deepEqual([message?.name, message?.address, message?.transparent], ['', undefined, true]);
    assert.deepEqual(
      config?.resources.map(({ resource }) => resource.name),
      ['shop/web/web'],
    );
    assert.deepEqual(config?.services, [
      { namespace: 'shop', name: 'front', ports: [80], listener: 'shop/web/a', path: ['spec', 'services', 0] },
    ]);
  });

  test('has the client’s address before filters of its own', () => {
    const filters = [{ name: INSPECTOR, typedConfig: { '@type': `${API}.extensions.filters.listener.tls_inspector.v3.TlsInspector` } }];
    const { message } = read(objectOf([listener('a', { listenerFilters: filters })], FRONT));
    const [first, second] = message?.listenerFilters ?? [];
    assert.ok(first?.configType.case === 'typedConfig');
    assert.equal(anyUnpack(first.configType.value, OriginalSrcSchema)?.mark, MARKS.clientMark);
    assert.equal(second?.name, INSPECTOR);
  });

  test('opens with the address of Ingresses where it is to', () => {
    const { message } = read(objectOf([listener('a')], FRONT, { 'cec.cilium.io/use-original-source-address': 'false' }));
    assert.deepEqual(message?.listenerFilters, []);
  });

  for (const [annotations, asks, ignored] of [
    [{}, true, []],
    [{ 'cec.cilium.io/inject-cilium-filters': 'true', 'cec.cilium.io/is-l7lb': 'true' }, true, []],
    [{ 'cec.cilium.io/inject-cilium-filters': 'false' }, false, []],
    [{ 'cec.cilium.io/is-l7lb': 'false' }, false, []],
    [{ 'cec.cilium.io/use-original-source-address': 'false' }, false, []],
    [{ 'cec.cilium.io/is-l7lb': 'no' }, true, ['AnnotationIgnored metadata.annotations["cec.cilium.io/is-l7lb"]']],
  ] as const) {
    test(`asks clients${asks ? '' : ' nothing'}: ${JSON.stringify(annotations)}`, () => {
      const { led, told } = read(objectOf([listener('a')], FRONT, annotations));
      assert.deepEqual([led?.asksClients, told], [asks, ignored]);
    });
  }

  for (const [what, services, options, wanted] of [
    ['no Service names', [], MARKS, ['ListenerWithoutAddress spec.resources[0]']],
    ['nobody may be led to', FRONT, { mark: 0xd00 }, ['ListenerWithoutAddress spec.resources[0]']],
    [
      'a Service does not find',
      [{ name: 'front', listener: 'b' }],
      MARKS,
      ['ReferenceNotFound spec.services[0].listener', 'ListenerWithoutAddress spec.resources[0]'],
    ],
  ] as const) {
    test(`that ${what} is left out and told of`, () => {
      const { config, told } = read(objectOf([listener('a')], services), options);
      assert.deepEqual(told, wanted);
      assert.deepEqual(config?.listeners ?? [], []);
      assert.deepEqual(config?.services ?? [], []);
    });
  }

  test('is the first where none is named', () => {
    const { led } = read(objectOf([listener('a'), listener('b')], [{ name: 'front' }]));
    assert.equal(led?.name, 'shop/web/a');
  });
});

test('a listener with an address has no Services led to it, and says so', () => {
  const allow = ['envoy.config.listener.v3.Listener.address'];
  const { config, told } = read(objectOf([listener('a', { address: ADDRESS })], FRONT), { ...MARKS, allow });
  assert.deepEqual(told, ['ServiceNotLed spec.services[0]']);
  assert.deepEqual(config?.services, []);
});

test('clusters have the mark and the ports of what is opened for clients', () => {
  const { config } = read(objectOf([listener('a')], FRONT));
  const [cluster] = config?.resources ?? [];
  assert.ok(cluster);
  const options = fromBinary(ClusterSchema, cluster.resource.body).upstreamBindConfig?.socketOptions ?? [];
  assert.deepEqual(
    options.map(({ description, value }) => [description, value.case === 'intValue' ? Number(BigInt.asUintN(32, value.value)) : undefined]),
    [
      ['SO_MARK', 0xd00],
      ['IP_TRANSPARENT', 1],
      ['IP_LOCAL_PORT_RANGE', 65_535 * 65_536 + 64_024],
      ['IP_BIND_ADDRESS_NO_PORT', 1],
    ],
  );
});

test('slots of listeners have names that kernels have room for, of no policy', () => {
  const [name, other] = [slotOfListener(`${'n'.repeat(253)}/${'c'.repeat(253)}/a`), slotOfListener('b')];
  assert.match(name, /^service\/[\w-]{22}$/);
  assert.notEqual(name, other);
});
