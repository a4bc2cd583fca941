import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { AddressSchema, IdentitySchema } from '@sluice/envoy-protos/sluice/node/v1/node_pb.js';
import { ServiceSchema } from '@sluice/envoy-protos/sluice/node/v1/services_pb.js';
import { ADDRESS_TYPE, IDENTITY_TYPE, type Resource, SERVICE_TYPE, SnapshotCache } from '../../xds-server/serve/index.ts';
import { translateAddress } from '../../xds-server/translate/node/identities.ts';
import { NodeDirectory } from './node-directory.ts';
import { PrefixTable } from './prefix-table.ts';

let versions = 0;
function resource<D extends DescMessage>(typeUrl: string, name: string, schema: D, message: MessageInitShape<D>): Resource {
  versions += 1;
  return { typeUrl, name, version: String(versions), body: toBinary(schema, create(schema, message)), requires: [] };
}

const address = (prefix: string, identity: number) => resource(ADDRESS_TYPE, prefix, AddressSchema, { identity });
const labels = ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=shop'];

describe('who an address is', () => {
  const cache = new SnapshotCache();
  const before = [address('0.0.0.0/0', 9), address('10.0.0.1/32', 300), resource(IDENTITY_TYPE, '300', IdentitySchema, { labels })];
  cache.replace(before);
  const directory = new NodeDirectory(cache);
  const web = { identity: 300, labels, namespace: 'shop' };

  test('is known by its identity, and its namespace by that', () => {
    assert.deepEqual(directory.peerOf('10.0.0.1'), { address: '10.0.0.1', ...web });
    assert.deepEqual(directory.peerOf('1.1.1.1'), { address: '1.1.1.1', identity: 9, labels: [] });
    assert.deepEqual(directory.peerOf('2001:db8::1'), { address: '2001:db8::1', identity: 0, labels: [] });
  });

  test('is the same object until something changes, of however many it is asked', () => {
    const first = directory.peerOf('10.0.0.1');
    assert.equal(directory.peerOf('10.0.0.1'), first);
    for (let host = 0; host < 10_000; host++) directory.peerOf(`10.1.${host >> 8}.${host & 255}`);
    assert.deepEqual(directory.peerOf('10.0.0.1'), first);
    cache.apply({ upserts: [resource(IDENTITY_TYPE, '300', IdentitySchema, { labels: ['k8s:app=api'] })], removals: [] });
    assert.deepEqual(directory.peerOf('10.0.0.1').labels, ['k8s:app=api']);
    cache.apply({ upserts: [resource(IDENTITY_TYPE, '300', IdentitySchema, { labels })], removals: [] });
    assert.deepEqual(directory.peerOf('10.0.0.1'), first);
  });

  test('is whom the kernel had it for, where that is known', () => {
    assert.deepEqual(directory.peerOf('1.1.1.1', 300), { address: '1.1.1.1', ...web });
  });

  for (const [what, workload] of [
    ['that a Deployment made', { kind: 'Deployment', name: 'web' }],
    ['that nobody made', { kind: 'Pod', name: 'web-1' }],
  ] as const) {
    test(`is a pod ${what}, wherever it is, as long as it is there`, () => {
      const named = { prefix: 'fd00::1/128', identity: 300, pod: { namespace: 'shop', name: 'web-1', workload } };
      cache.apply({ upserts: [translateAddress(named)], removals: [] });
      assert.deepEqual(directory.peerOf('fd00::1'), { address: 'fd00::1', ...web, pod: 'web-1', workload });
      cache.apply({ upserts: [], removals: [{ typeUrl: ADDRESS_TYPE, name: 'fd00::1/128' }] });
      assert.deepEqual(directory.peerOf('fd00::1', 300), { address: 'fd00::1', ...web });
    });
  }

  test('is a Service, as long as that has it', () => {
    const loadBalancer = [{ ip: '192.0.2.1' }, {}];
    const service = (clusterIps: string[]) => resource(SERVICE_TYPE, 'shop/api', ServiceSchema, { clusterIps, loadBalancer });
    cache.apply({ upserts: [service(['10.96.0.1'])], removals: [] });
    for (const known of ['10.96.0.1', '192.0.2.1'])
      assert.deepEqual(directory.peerOf(known).service, { namespace: 'shop', name: 'api' }, known);
    assert.deepEqual(directory.chosenFor('10.96.0.1', '10.0.0.1').service, { namespace: 'shop', name: 'api' });
    assert.equal(directory.chosenFor('1.1.1.1', '10.0.0.1'), directory.peerOf('10.0.0.1'));
    cache.apply({ upserts: [service(['10.96.0.2'])], removals: [] });
    assert.equal(directory.chosenFor('10.96.0.1', '10.0.0.1').service, undefined);
    assert.deepEqual([directory.peerOf('10.96.0.1').service, directory.peerOf('10.96.0.2').service?.name], [undefined, 'api']);
    cache.apply({ upserts: [], removals: [service([])] });
    assert.equal(directory.peerOf('10.96.0.2').service, undefined);
  });

  test('is one of the Services that have it, in whatever order these come and go', () => {
    const service = (name: string) => resource(SERVICE_TYPE, name, ServiceSchema, { clusterIps: [], externalIps: ['192.0.2.9'] });
    const nameOf = () => directory.peerOf('192.0.2.9').service?.name;
    for (const [first, second] of [
      ['shop/api', 'shop/web'],
      ['shop/web', 'shop/api'],
    ] as const) {
      for (const name of [first, second]) cache.apply({ upserts: [service(name)], removals: [] });
      assert.equal(nameOf(), 'api');
      cache.apply({ upserts: [], removals: [service(first)] });
      assert.equal(`shop/${nameOf()}`, second);
      cache.apply({ upserts: [], removals: [service(second)] });
      assert.equal(nameOf(), undefined);
    }
  });

  test('is nobody any more once nobody is told of it, or in words that are not understood', () => {
    cache.apply({ upserts: [{ ...address('10.0.0.1/32', 301), body: Uint8Array.of(0xff) }], removals: [address('0.0.0.0/0', 9)] });
    assert.deepEqual([directory.peerOf('10.0.0.1').identity, directory.peerOf('1.1.1.1').identity], [300, 0]);
    assert.equal(directory.peerOf('no address').identity, 0);
    directory[Symbol.dispose]();
    cache.apply({ upserts: [], removals: [address('10.0.0.1/32', 1)] });
    assert.equal(directory.peerOf('10.0.0.1').identity, 300, 'nothing is learned afterwards');
  });
});

test('of several prefixes the longest decides, in each family', () => {
  const table = new PrefixTable<string>();
  for (const prefix of ['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32', '::/0', 'fd00::/8', 'fd00::1/128'])
    table.set(prefix, prefix);
  const found = () => ['1.1.1.1', '10.2.0.1', '10.1.0.1', '10.1.2.3', '2001:db8::1', 'fd12::1', 'fd00::1'].map((each) => table.find(each));
  assert.deepEqual(found(), ['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32', '::/0', 'fd00::/8', 'fd00::1/128']);
  for (const prefix of ['10.1.0.0/16', '0.0.0.0/0', 'fd00::1/128', '10.9.0.0/16']) table.delete(prefix);
  assert.deepEqual(found(), [undefined, '10.0.0.0/8', '10.0.0.0/8', '10.1.2.3/32', '::/0', 'fd00::/8', 'fd00::/8']);
});
