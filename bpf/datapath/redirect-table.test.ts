import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { bytes, createMap, MapType, openMap, u32 } from 'libbpf-ts';
import type { DirectionPolicy, SubjectPolicy } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNamespaces } from '../libbpf-ts/testing/own-namespaces.ts';
import { maps } from './gen/policy.ts';
import { Datapath, DatapathError, PinnedDatapath } from './index.ts';
import { allow, CLIENT, closedBut, LOOPBACK, OPEN, OTHER, SMALL, verdict, WEB } from './testing/judged.ts';
import { sh } from './testing/pod-network.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';

function toSlots(...slots: readonly string[]): DirectionPolicy {
  const verdicts = slots.map((slot, index) => ({ ...verdict('slot', CLIENT, 6, 80 + index), decision: { kind: 'slot', slot } as const }));
  return closedBut(...verdicts, allow(OTHER, 443));
}

describe('listeners of slots', needs('root', 'bpf'), () => {
  let datapath: Datapath;
  beforeEach(async () => {
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
  });
  afterEach(() => datapath.cleanUp());

  /** By the ports that verdicts are about. */
  function portsOf(subject: number): ReadonlyMap<number, number> {
    const written = [...datapath.verdicts.entries(subject)].filter(({ decision }) => decision === 'slot');
    return new Map(written.sort((a, b) => a.port - b.port).map(({ port, slot }) => [port, slot]));
  }
  function codeOf(code: string): (error: unknown) => boolean {
    return (error) => error instanceof DatapathError && error.code === code;
  }

  test('verdicts lead to them, whichever of both is there first, and follow them', async () => {
    const web: SubjectPolicy = { subject: WEB, ingress: toSlots('a', 'b'), egress: OPEN };
    const client: SubjectPolicy = { subject: CLIENT, ingress: OPEN, egress: toSlots('b', 'c') };
    await datapath.redirects.set([{ slot: 'a', port: 10_001, ready: true }]);
    await datapath.verdicts.set([web, client]);
    assert.deepEqual(
      [...portsOf(WEB)],
      [
        [80, 10_001],
        [81, 0],
      ],
    );
    assert.deepEqual(
      [...portsOf(CLIENT)],
      [
        [80, 0],
        [81, 0],
      ],
    );
    await datapath.redirects.set([
      { slot: 'b', port: 10_002, ready: false },
      { slot: 'c', port: 10_003, ready: true },
    ]);
    assert.deepEqual(
      [...portsOf(WEB)],
      [
        [80, 10_001],
        [81, 10_002],
      ],
    );
    assert.deepEqual(
      [...portsOf(CLIENT)],
      [
        [80, 10_002],
        [81, 10_003],
      ],
    );
    await datapath.redirects.set([{ slot: 'b', port: 10_004, ready: true }]);
    assert.deepEqual(
      [...portsOf(WEB)],
      [
        [80, 10_001],
        [81, 10_004],
      ],
    );
    assert.deepEqual(datapath.redirects.get('b'), { slot: 'b', port: 10_004, ready: true });
    assert.deepEqual(
      new PinnedDatapath(PINS).redirects().map(({ slot, port }) => [slot, port]),
      [
        ['a', 10_001],
        ['c', 10_003],
        ['b', 10_004],
      ],
    );
    await datapath.redirects.remove(['a', 'nobody']);
    assert.deepEqual(
      [...portsOf(WEB)],
      [
        [80, 0],
        [81, 10_004],
      ],
    );
    await datapath.redirects.retain((slot) => slot === 'c');
    assert.deepEqual(
      [...portsOf(WEB)],
      [
        [80, 0],
        [81, 0],
      ],
    );
    assert.deepEqual(
      [...portsOf(CLIENT)],
      [
        [80, 0],
        [81, 10_003],
      ],
    );
    assert.deepEqual(await datapath.verdicts.repair(), { foreign: [], missing: [] });
  });

  test('a rule whose slot becomes another changes its verdict', async () => {
    await datapath.redirects.set([
      { slot: 'a', port: 10_001, ready: true },
      { slot: 'b', port: 10_002, ready: true },
    ]);
    await datapath.verdicts.set([{ subject: WEB, ingress: toSlots('a'), egress: OPEN }]);
    await datapath.verdicts.set([{ subject: WEB, ingress: toSlots('b'), egress: OPEN }]);
    assert.deepEqual([...portsOf(WEB)], [[80, 10_002]]);
  });

  for (const [what, redirect] of [
    ["another slot's port", { slot: 'b', port: 10_001 }],
    ['no port', { slot: 'b', port: 0 }],
    ['a port too large', { slot: 'b', port: 65_536 }],
    ['half a port', { slot: 'b', port: 80.5 }],
    ['no name', { slot: '', port: 10_002 }],
    ['a name too long', { slot: 'ü'.repeat(32), port: 10_002 }],
  ] as const) {
    test(`are refused with ${what}, and nothing is changed`, async () => {
      const kept = { slot: 'a', port: 10_001, ready: true };
      await datapath.redirects.set([kept]);
      const others = [
        { slot: 'c', port: 10_003, ready: true },
        { ...redirect, ready: true },
      ];
      await assert.rejects(datapath.redirects.set(others), codeOf('invalid-redirect'));
      assert.deepEqual([...datapath.redirects.entries()], [kept]);
      assert.deepEqual(new PinnedDatapath(PINS).redirects(), [kept]);
    });
  }

  test('are known to who opens them next, and repaired', async () => {
    const all = [
      { slot: 'http/ingress/ä', port: 10_001, ready: true },
      { slot: 'x'.repeat(63), port: 10_002, ready: false },
    ];
    await datapath.redirects.set(all);
    datapath[Symbol.dispose]();
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
    assert.deepEqual(new Set(datapath.redirects.entries()), new Set(all));
    using map = openMap(`${PINS}/redirects`, ...maps.redirects);
    map.delete(10_001);
    map.set(10_009, { name: new Uint8Array(64), is_ready: 1, pad: new Uint8Array(3) });
    map.set(10_002, { name: new Uint8Array(64), is_ready: 1, pad: new Uint8Array(3) });
    const { foreign, missing } = await datapath.redirects.repair();
    assert.deepEqual([foreign, new Set(missing)], [['10009'], new Set(['10001', '10002'])]);
    assert.deepEqual(new Set(new PinnedDatapath(PINS).redirects()), new Set(all));
    assert.deepEqual(await datapath.redirects.repair(), { foreign: [], missing: [] });
  });

  test('packets come in again by one device, which is none of those whose packets are judged', async () => {
    sh('ip link add steer0 type veth peer name steer1; ip link set steer0 up; ip link set steer1 up');
    const ifindexOf = (name: string) => Number(/^\d+/.exec(sh(`ip -o link show dev ${name}`))?.[0]);
    assert.equal(datapath.steering(), undefined);
    for (const name of ['steer0', 'steer1', 'steer1']) {
      datapath.attachSteering(ifindexOf(name));
      assert.equal(datapath.steering(), ifindexOf(name));
      assert.deepEqual([...datapath.attached()], []);
    }
    datapath[Symbol.dispose]();
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
    assert.equal(datapath.steering(), ifindexOf('steer1'));
    datapath.detachSteering();
    assert.equal(datapath.steering(), undefined);
    assert.equal(sh('tc filter show dev steer1 ingress').trim(), '');
    assert.throws(() => datapath.attachSteering(9_999), codeOf('no-device'));
    assert.equal(datapath.steering(), undefined);
    datapath.attachSteering(ifindexOf('steer0'));
    sh('ip link delete steer0');
    assert.equal(datapath.steering(), undefined, 'the device is gone');
  });

  test('the configuration of a version before keeps what it had', async () => {
    datapath.cleanUp();
    sh(`mkdir -p ${PINS}`);
    const earlier = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
    {
      using old = createMap({ name: 'configuration', type: MapType.array, maxEntries: 1, flags: 0 }, u32, bytes(16));
      old.set(0, earlier);
      old.pin(`${PINS}/configuration`);
    }
    datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL });
    using map = openMap(`${PINS}/configuration`, ...maps.configuration);
    const found = map.get(0);
    assert.equal(found?.changed, new DataView(earlier.buffer).getBigUint64(0, true));
    assert.equal(found.steer_ifindex, 0);
    assert.equal(datapath.attached().has(LOOPBACK), false);
  });
});
