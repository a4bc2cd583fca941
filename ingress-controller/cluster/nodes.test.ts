import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endpointSliceObject } from '../../testkit/kube-objects.ts';
import { gatherNodes, type NodeEndpoint, partitionNodes, readyAddresses } from './nodes.ts';

const LABELS = { 'kubernetes.io/service-name': 'sluice-nodes' };
const GOING = { ready: false, serving: true, terminating: true };

function agents(endpoints: readonly object[], addressType = 'IPv4') {
  return endpointSliceObject({ addressType, endpoints, ports: [] }, { labels: LABELS });
}

function at(address: string, conditions: object = { ready: true }, nodeName = `node-${address}`) {
  return { addresses: [address], conditions, nodeName };
}

describe('nodes', () => {
  const conditions: readonly (readonly [name: string, given: object, expected: readonly boolean[] | undefined])[] = [
    ['that are ready', { ready: true, serving: true, terminating: false }, [true, true, false]],
    ['of which nothing is known count as ready', {}, [true, true, false]],
    ['that go away and still serve stay as such', GOING, [false, true, true]],
    ['that serve without being ready stay as such', { ready: false, serving: true }, [false, true, false]],
    ['that are not ready are left out', { ready: false }, undefined],
    ['that have gone are left out', { ready: false, serving: false, terminating: true }, undefined],
  ];
  for (const [name, given, expected] of conditions) {
    it(name, () => {
      const found = gatherNodes([agents([at('192.0.2.1', given)])]).IPv4.map(({ ready, serving, terminating }) => [
        ready,
        serving,
        terminating,
      ]);
      assert.deepEqual(found, expected === undefined ? [] : [expected]);
    });
  }

  it('are told by family, sorted, with names, from all slices', () => {
    const slices = [agents([at('192.0.2.2'), at('192.0.2.1')]), agents([at('2001:db8::1')], 'IPv6'), agents([at('host.test')], 'FQDN')];
    for (const given of [slices, slices.toReversed()]) {
      const { IPv4, IPv6 } = gatherNodes(given);
      assert.deepEqual(
        IPv4.map(({ address, nodeName }) => [address, nodeName]),
        [
          ['192.0.2.1', 'node-192.0.2.1'],
          ['192.0.2.2', 'node-192.0.2.2'],
        ],
      );
      assert.deepEqual(
        IPv6.map(({ address }) => address),
        ['2001:db8::1'],
      );
    }
  });

  it('may have no name', () => {
    const [node] = gatherNodes([agents([{ addresses: ['192.0.2.1'] }])]).IPv4;
    assert.deepEqual([node?.address, node?.nodeName], ['192.0.2.1', undefined]);
  });

  it('that stand in two slices are one, ready if one says so', () => {
    const slices = [agents([at('192.0.2.1', GOING)]), agents([at('192.0.2.1')])];
    for (const given of [slices, slices.toReversed()]) {
      assert.deepEqual(
        gatherNodes(given).IPv4.map(({ ready }) => ready),
        [true],
      );
    }
  });

  it('that are ready have addresses to tell', () => {
    const nodes = gatherNodes([agents([at('192.0.2.2', GOING), at('192.0.2.1')]), agents([at('2001:db8::1')], 'IPv6')]);
    assert.deepEqual(readyAddresses(nodes), ['192.0.2.1', '2001:db8::1']);
  });
});

function nodes(count: number): readonly NodeEndpoint[] {
  return Array.from({ length: count }, (_, index) => {
    const address = `10.0.${index >> 8}.${index & 255}`;
    return { address, nodeName: undefined, ready: true, serving: true, terminating: false };
  });
}

describe('nodes are divided', () => {
  const cases: readonly (readonly [count: number, parts: readonly string[]])[] = [
    [0, ['']],
    [1, ['']],
    [1_000, ['']],
    [1_001, ['', '1']],
    [1_800, ['', '1']],
    [3_000, ['', '01', '1', '11']],
  ];
  for (const [count, names] of cases) {
    it(`${count} into ${names.length}`, () => {
      const parts = partitionNodes(nodes(count));
      assert.deepEqual([...parts.keys()].sort(), names);
      const all = [...parts.values()].flat();
      assert.equal(all.length, count);
      assert.equal(new Set(all).size, count);
      for (const members of parts.values()) assert.ok(members.length <= 1_000);
    });
  }

  it('so that one that goes changes one part', () => {
    const all = nodes(2_500);
    const before = partitionNodes(all);
    for (const index of [0, 1, 700, 2_499]) {
      const after = partitionNodes(all.toSpliced(index, 1));
      assert.deepEqual([...after.keys()], [...before.keys()]);
      const changed = [...before].filter(([name, members]) => members.length !== after.get(name)?.length);
      assert.equal(changed.length, 1);
    }
  });
});
