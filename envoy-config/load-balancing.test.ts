import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Cluster_MaglevLbConfigSchema, Cluster_RingHashLbConfigSchema } from '@sluice/envoy-protos/envoy/config/cluster/v3/cluster_pb.js';
import { MaglevSchema } from '@sluice/envoy-protos/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js';
import { RingHashSchema } from '@sluice/envoy-protos/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js';
import { loadBalancingProblem } from './load-balancing.ts';

for (const [minimumRingSize, maximumRingSize, isRight] of [
  [undefined, undefined, true],
  [16n, 16n, true],
  [17n, 16n, false],
  [undefined, 1024n, true],
  [undefined, 1023n, false],
  [8_388_608n, undefined, true],
  [8_388_609n, undefined, false],
] as const) {
  test(`a ring from ${minimumRingSize} to ${maximumRingSize} is ${isRight ? 'right' : 'wrong'}`, () => {
    const fields = { ...(minimumRingSize !== undefined && { minimumRingSize }), ...(maximumRingSize !== undefined && { maximumRingSize }) };
    for (const ring of [create(Cluster_RingHashLbConfigSchema, fields), create(RingHashSchema, fields)]) {
      assert.equal(loadBalancingProblem(ring)?.field, isRight ? undefined : 'maximumRingSize');
    }
  });
}

for (const [tableSize, isRight] of [
  [undefined, true],
  [0n, false],
  [1n, false],
  [2n, true],
  [65_536n, false],
  [65_537n, true],
  [4_999_999n, true],
  [2209n, false],
  [5_000_011n, true],
  [2n ** 64n - 1n, true],
] as const) {
  test(`a table of ${tableSize} is ${isRight ? 'right' : 'wrong'}`, () => {
    const fields = tableSize !== undefined ? { tableSize } : {};
    for (const table of [create(Cluster_MaglevLbConfigSchema, fields), create(MaglevSchema, fields)]) {
      assert.equal(loadBalancingProblem(table)?.field, isRight ? undefined : 'tableSize');
    }
  });
}

test('other messages have no such problem', () => {
  assert.equal(loadBalancingProblem(create(Cluster_RingHashLbConfigSchema, { hashFunction: 1 })), undefined);
});
