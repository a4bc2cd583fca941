import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { BpfError, bytes, createMap, type LoadedObject, MapType, ObjectSpec, perCpu, struct, u8, u16, u32, u64 } from './index.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

const MANY = 20_000;
const RUNS = 200;

const flow = struct({ source: u32, port: u16, protocol: u8, packets: u64 });
const prefix = struct({ length: u32, address: bytes(4) });

function errno(name: string): (error: unknown) => boolean {
  return (error) => error instanceof BpfError && error.code === 'map-failed' && error.errnoName === name;
}

describe('a map', loads(), () => {
  const programs = new CompiledPrograms();
  let object: LoadedObject;
  before(async () => {
    using spec = ObjectSpec.open(programs.compile('maps'));
    object = await spec.load();
  });
  after(() => {
    object[Symbol.dispose]();
    programs[Symbol.dispose]();
  });
  const emptied = async <K, V>(map: { entries(): Iterable<readonly [K, V]>; deleteAll(keys: Iterable<K>): Promise<void> }) => {
    await map.deleteAll([...map.entries()].map(([key]) => key));
    return map;
  };

  test('is read and written, only where a key is new or present if that is asked for', async () => {
    const counts = object.map('counts', u32, u64);
    await emptied(counts);
    assert.equal(counts.get(1), undefined);
    assert.equal(counts.set(1, 5n, 'present'), false);
    assert.equal(counts.set(1, 5n, 'new'), true);
    assert.equal(counts.set(1, 6n, 'new'), false);
    assert.equal(counts.get(1), 5n);
    assert.equal(counts.set(1, 2n ** 64n - 1n, 'present'), true);
    assert.equal(counts.take(1), 2n ** 64n - 1n);
    assert.equal(counts.take(1), undefined);
    assert.equal(counts.delete(1), false);
    counts.set(1, 1n);
    assert.equal(counts.delete(1), true);
  });

  test('does what a Map does, whatever is done in whatever order', async () => {
    const counts = object.map('counts', u32, u64);
    const key = fc.integer({ min: 0, max: 5 });
    const step = fc.oneof(
      fc.record({ do: fc.constantFrom('get' as const, 'delete' as const, 'take' as const), key }),
      fc.record({ do: fc.constant('set' as const), key, value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await emptied(counts);
        const model = new Map<number, bigint>();
        for (const one of steps) {
          const had = model.get(one.key);
          if (one.do === 'set') {
            counts.set(one.key, one.value);
            model.set(one.key, one.value);
            continue;
          }
          if (one.do === 'delete') assert.equal(counts.delete(one.key), had !== undefined);
          else assert.equal(counts[one.do](one.key), had);
          if (one.do !== 'get') model.delete(one.key);
        }
        assert.deepEqual(new Map(counts.entries()), model);
      }),
      { numRuns: RUNS },
    );
  });

  test('is written, read and emptied in batches', async () => {
    const counts = object.map('counts', u32, u64);
    await emptied(counts);
    await counts.setAll(Array.from({ length: MANY }, (_, index) => [index, BigInt(index) * 3n] as const));
    const all = new Map(counts.entries());
    assert.equal(all.size, MANY);
    for (const [key, value] of all) assert.equal(value, BigInt(key) * 3n);
    await counts.deleteAll(all.keys());
    assert.deepEqual([...counts.entries()], []);
    await counts.setAll([]);
    await assert.rejects(counts.deleteAll([1]), errno('ENOENT'));
  });

  test('that is full says so', async () => {
    const reasons = object.map('reasons', u32, perCpu(u32));
    const [first] = [...object.map('drops', u32, perCpu(u64)).entries()];
    const cpus = first?.[1].length ?? 0;
    assert.ok(cpus > 0);
    const value = Array.from({ length: cpus }, (_, cpu) => cpu + 1);
    for (let key = 0; key < 16; key += 1) reasons.set(key, value);
    assert.throws(() => reasons.set(16, value), errno('E2BIG'));
    assert.deepEqual(reasons.get(3), value);
    assert.equal([...reasons.entries()].length, 16);
    assert.throws(() => reasons.set(1, [...value, 1]), RangeError);
  });

  test('has structs as C has them, with padding', async () => {
    const flows = object.map('flows', u32, flow);
    const value = { source: 0x0a00_0001, port: 53, protocol: 17, packets: 1n << 40n };
    flows.set(1, value);
    assert.deepEqual({ ...flows.get(1) }, value);
    const raw = object.map('flows').get(Uint8Array.of(1, 0, 0, 0)) ?? new Uint8Array();
    assert.deepEqual([...raw], [1, 0, 0, 10, 53, 0, 17, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
  });

  test('of prefixes finds the longest that matches', async () => {
    const identities = object.map('identities', prefix, u32);
    const of = (length: number, ...address: number[]) => ({ length, address: Uint8Array.from(address) });
    identities.set(of(8, 10, 0, 0, 0), 8);
    identities.set(of(24, 10, 1, 2, 0), 24);
    identities.set(of(0, 0, 0, 0, 0), 1);
    assert.equal(identities.get(of(32, 10, 1, 2, 3)), 24);
    assert.equal(identities.get(of(32, 10, 9, 9, 9)), 8);
    assert.equal(identities.get(of(32, 11, 0, 0, 1)), 1);
    assert.deepEqual(
      [...identities.entries()].map(([, value]) => value).sort((a, b) => a - b),
      [1, 8, 24],
    );
    assert.throws(() => identities.set(of(33, 0, 0, 0, 0), 1), errno('EINVAL'));
  });

  test('takes no value that does not fit', () => {
    const settings = object.map('settings', u32, u32);
    for (const value of [-1, 2 ** 32, 1.5, Number.NaN]) assert.throws(() => settings.set(0, value), RangeError);
    assert.throws(() => object.map('counts', u32, u64).set(1, 2n ** 64n), RangeError);
    assert.throws(() => object.map('counts').set(new Uint8Array(3), new Uint8Array(8)), RangeError);
    assert.throws(() => settings.delete(0), errno('EINVAL'));
  });

  test('that is disposed of while a batch is written is closed after it, and takes no other', async () => {
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    const map = createMap({ type: MapType.hash, maxEntries: MANY }, u32, u32);
    const [keys, values] = [new Uint32Array(MANY).map((_, key) => key), new Uint32Array(MANY)];
    const written = map.setAllBytes(new Uint8Array(keys.buffer), new Uint8Array(values.buffer));
    map[Symbol.dispose]();
    await assert.rejects(map.setAll([[1, 1]]), (error) => error instanceof BpfError && error.code === 'closed');
    assert.equal(open(), before + 1);
    await written;
    assert.equal(open(), before);
  });
});
