import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { OriginalSrcSchema } from '@sluice/envoy-protos/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { CLUSTER_TYPE, ROUTES_TYPE } from '../../xds-server/serve/index.ts';
import type { SlotDirection } from './decode-slot.ts';
import { slotListener } from './slot-listener.ts';

function listenerOf(direction: SlotDirection) {
  const listener = toBinary(
    ListenerSchema,
    create(ListenerSchema, { listenerFilters: [{ name: 'own' }], filterChains: [{ name: 'chain' }] }),
  );
  const requires = [
    { typeUrl: CLUSTER_TYPE, name: 'c' },
    { typeUrl: ROUTES_TYPE, name: 'r' },
  ];
  const resource = slotListener(
    { name: 'service/a', direction, listener, requires, ofIngresses: false, asked: new Uint8Array(), asksClients: false, asksOnce: false },
    10_000,
    [],
  );
  return { resource, message: fromBinary(ListenerSchema, resource.body) };
}

for (const [direction, mark, filters] of [
  ['egress', 0x900, ['own', 'envoy.filters.listener.original_src']],
  ['ingress', 0xa00, ['own', 'envoy.filters.listener.original_src']],
  // What keeps the client's address is in what controllers say of it.
  ['service', 0x900, ['own']],
] as const) {
  test(`a listener of what is ${direction} listens everywhere at its port, with the mark of its kind`, () => {
    const { resource, message } = listenerOf(direction);
    assert.equal(message.name, 'sluice.slot/service/a');
    assert.deepEqual(
      [message.address, ...message.additionalAddresses.map(({ address }) => address)].map((address) =>
        address?.address.case === 'socketAddress' ? [address.address.value.address, address.address.value.portSpecifier.value] : undefined,
      ),
      [
        ['0.0.0.0', 10_000],
        ['::', 10_000],
      ],
    );
    const values = message.socketOptions.map(({ value }) => (value.case === 'intValue' ? Number(value.value) : undefined));
    assert.deepEqual(values, [mark | (10_000 << 16)]);
    assert.deepEqual(
      message.listenerFilters.map(({ name }) => name),
      filters,
    );
    assert.deepEqual(
      resource.requires.map(({ name }) => name),
      ['c'],
      'routes it asks for by itself',
    );
  });
}

for (const [what, copy, mark] of [
  ['a listener', {}, 0xd02],
  ['a copy of one, where what is sent is asked again', { copyOf: 'service/b' }, 0xd02],
  ['a copy of one, where asking once is enough', { copyOf: 'service/b', asksOnce: true }, 0xd02 | (10_000 << 16)],
] as const) {
  test(`what ${what} opens for clients has the mark ${mark.toString(16)}`, () => {
    const value = anyPack(OriginalSrcSchema, create(OriginalSrcSchema, { mark: 0xd02 }));
    const listenerFilters = [{ name: 'source', configType: { case: 'typedConfig', value } as const }, { name: 'own' }];
    const listener = toBinary(ListenerSchema, create(ListenerSchema, { listenerFilters }));
    const common = {
      name: 'service/a',
      direction: 'service',
      listener,
      requires: [],
      ofIngresses: false,
      asked: new Uint8Array(),
    } as const;
    const { body } = slotListener({ ...common, asksClients: false, asksOnce: false, ...copy }, 10_000, []);
    const [source, own] = fromBinary(ListenerSchema, body).listenerFilters;
    assert.ok(source?.configType.case === 'typedConfig');
    assert.deepEqual([anyUnpack(source.configType.value, OriginalSrcSchema)?.mark, own?.name], [mark, 'own']);
  });
}
