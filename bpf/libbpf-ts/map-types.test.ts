import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BpfError, type BpfMap, bytes, type Codec, type LoadedObject, ObjectSpec, perCpu, struct, u8, u16, u32, u64 } from './index.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

const flow = struct({ source: u32, port: u16, protocol: u8, packets: u64 });
const prefix = struct({ length: u32, address: bytes(4) });
/** An array has all of its keys, always. */
const ARRAY_ENTRIES: ReadonlyMap<string, number> = new Map([
  ['settings', 16],
  ['drops', 4],
]);

interface Case<K, V> {
  readonly map: string;
  readonly key: Codec<K>;
  readonly value: Codec<V>;
  readonly keys: readonly [K, K, K];
  readonly valueFor: (number: number) => V;
}

/** Keeps the types of keys and values of a case together. */
type AnyCase = <R>(use: <K, V>(one: Case<K, V>) => R) => R;

function asCase<K, V>(one: Case<K, V>): AnyCase {
  return (use) => use(one);
}

function errorCode(work: () => unknown): string {
  try {
    work();
    return 'done';
  } catch (error) {
    if (error instanceof BpfError) return error.code;
    throw error;
  }
}

async function sorted<K, V>(map: BpfMap<K, V>): Promise<readonly string[]> {
  const inBatches: string[] = [];
  for await (const batch of map.batches()) inBatches.push(...batch.map(describeEntry));
  const atOnce = [...map.entries()].map(describeEntry);
  assert.deepEqual(inBatches.sort(), atOnce.sort());
  return atOnce;
}

function describeEntry(entry: readonly unknown[]): string {
  return JSON.stringify(entry, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
}

describe('a map', loads(), () => {
  const programs = new CompiledPrograms();
  let object: LoadedObject;
  let cpus = 0;
  before(async () => {
    using spec = ObjectSpec.open(programs.compile('maps'));
    spec.map('flows').maxEntries = 64;
    object = await spec.load();
    cpus = [...object.map('drops', u32, perCpu(u64)).entries()][0]?.[1].length ?? 0;
  });
  after(() => {
    object[Symbol.dispose]();
    programs[Symbol.dispose]();
  });

  const each = (number: number) => Array.from({ length: cpus }, (_, cpu) => number + cpu);
  const address = (length: number, last: number) => ({ length, address: Uint8Array.of(10, 0, 0, last) });
  const numbers = [0, 1, 2] as const;
  const cases: readonly (readonly [what: string, () => AnyCase])[] = [
    ['hash', () => asCase({ map: 'counts', key: u32, value: u64, keys: numbers, valueFor: BigInt })],
    [
      'LRU hash',
      () =>
        asCase({
          map: 'flows',
          key: u32,
          value: flow,
          keys: numbers,
          valueFor: (packets) => ({ source: 1, port: 2, protocol: 6, packets: BigInt(packets) }),
        }),
    ],
    [
      'LPM trie',
      () =>
        asCase({ map: 'identities', key: prefix, value: u32, keys: [address(24, 0), address(32, 1), address(32, 2)], valueFor: Number }),
    ],
    ['array', () => asCase({ map: 'settings', key: u32, value: u32, keys: numbers, valueFor: Number })],
    [
      'array for each CPU',
      () => asCase({ map: 'drops', key: u32, value: perCpu(u64), keys: numbers, valueFor: (n) => each(n).map(BigInt) }),
    ],
    ['hash for each CPU', () => asCase({ map: 'reasons', key: u32, value: perCpu(u32), keys: numbers, valueFor: each })],
  ];
  for (const [what, make] of cases) {
    test(`of the type ${what} does all that the kernel can do with it`, () =>
      make()(async ({ map: name, key, value, keys, valueFor }) => {
        const map = object.map(name, key, value);
        const isArray = ARRAY_ENTRIES.has(name);
        const [first, second, third] = keys;
        assert.equal(map.set(first, valueFor(5)), true);
        assert.deepEqual(map.get(first), valueFor(5));
        assert.equal(map.set(first, valueFor(6), 'present'), true);
        assert.deepEqual(map.get(first), valueFor(6));
        await map.setAll([
          [second, valueFor(7)],
          [third, valueFor(8)],
        ]);
        const entries = await sorted(map);
        for (const [one, number] of [
          [first, 6],
          [second, 7],
          [third, 8],
        ] as const)
          assert.ok(entries.includes(describeEntry([one, valueFor(number)])), `${describeEntry([one])} is not among ${entries}`);
        assert.equal(entries.length, ARRAY_ENTRIES.get(name) ?? 3);

        // An array gives nothing up, and of prefixes nothing is taken.
        assert.equal(
          errorCode(() => map.delete(first)),
          isArray ? 'map-failed' : 'done',
        );
        assert.equal(
          errorCode(() => assert.deepEqual(map.take(second), valueFor(7))),
          isArray || name === 'identities' ? 'map-failed' : 'done',
        );
        if (!isArray) map.delete(second);
        await (isArray ? assert.rejects(map.deleteAll([third]), BpfError) : map.deleteAll([third]));
        assert.equal((await sorted(map)).length, isArray ? entries.length : 0);
      }));
  }

  test('of the type LRU hash is never full, and forgets what was not used', async () => {
    const flows = object.map('flows', u32, flow);
    const room = flows.info.maxEntries;
    for (let source = 0; source < 10 * room; source += 1) flows.set(source, { source, port: 1, protocol: 17, packets: 0n });
    const kept = [...flows.entries()];
    assert.ok(kept.length <= room, `${kept.length} entries`);
    assert.ok(kept.some(([source]) => source === 10 * room - 1));
    assert.ok(!kept.some(([source]) => source === 0));
    await flows.deleteAll(kept.map(([source]) => source));
  });
});
