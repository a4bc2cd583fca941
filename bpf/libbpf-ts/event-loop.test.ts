import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { type Codec, createMap, type LoadedObject, MapType, ObjectSpec, u32, u64 } from './index.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

const MANY = 50_000;
/** What is encoded and decoded in one turn of the event loop: well below a millisecond of work. */
const AT_MOST = 1024;

/** Turns of the event loop until work is done, and how far something was counted up within one of them at most. */
async function turnsDuring(work: Promise<unknown>, counted: () => number): Promise<{ readonly turns: number; readonly most: number }> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  // What was done before the work gave way for the first time is a turn of its own.
  let [turns, most, before] = [0, counted(), counted()];
  while (!isDone) {
    await setImmediate();
    turns += 1;
    most = Math.max(most, counted() - before);
    before = counted();
  }
  await done;
  return { turns, most };
}

/** Counts what is encoded and decoded. */
function counting<T>(codec: Codec<T>): { readonly codec: Codec<T>; readonly counted: () => number } {
  let count = 0;
  const encode: Codec<T>['encode'] = (...args) => {
    count += 1;
    codec.encode(...args);
  };
  const decode: Codec<T>['decode'] = (...args) => {
    count += 1;
    return codec.decode(...args);
  };
  return { codec: { ...codec, encode, decode }, counted: () => count };
}

describe('the event loop turns', loads(), () => {
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

  test('while the verifier is at work', async () => {
    using spec = ObjectSpec.open(programs.compile('slow-to-verify'));
    const loading = spec.load();
    // With the verifier on this thread it would be one.
    const { turns } = await turnsDuring(loading, () => 0);
    using loaded = await loading;
    assert.ok(loaded.program('count_up'));
    assert.ok(turns > 10, `${turns} turns`);
  });

  test('while many entries are written, read and deleted', async () => {
    const { codec, counted } = counting(u32);
    const counts = object.map('counts', codec, u64);
    const read = async () => {
      const all: (readonly [number, bigint])[] = [];
      for await (const batch of counts.batches()) all.push(...batch);
      return all;
    };
    const entries = Array.from({ length: MANY }, (_, key) => [key, BigInt(key)] as const);
    const written = await turnsDuring(counts.setAll(entries), counted);
    let all: (readonly [number, bigint])[] = [];
    const reading = read().then((found) => {
      all = found;
    });
    const readStart = counted();
    const readTurns = await turnsDuring(reading, () => counted() - readStart);
    assert.deepEqual(
      all.sort(([a], [b]) => a - b),
      entries,
    );
    const deleteStart = counted();
    const deleted = await turnsDuring(counts.deleteAll(entries.map(([key]) => key)), () => counted() - deleteStart);
    assert.deepEqual(await read(), []);
    for (const [what, { turns, most }] of Object.entries({ written, read: readTurns, deleted })) {
      assert.ok(most <= AT_MOST, `${most} entries were ${what} in one turn`);
      assert.ok(turns >= MANY / AT_MOST, `${turns} turns while all was ${what}`);
    }
  });

  test('while a batch of bytes is written by the kernel', async () => {
    const counts = object.map('counts', u32, u64);
    const keys = new Uint8Array(Uint32Array.from({ length: MANY }, (_, key) => key).buffer);
    let isWritten = false;
    const written = counts.setAllBytes(keys, new Uint8Array(MANY * 8)).then(() => {
      isWritten = true;
    });
    // What is done on this thread is told before the loop turns, what is done on another one only by a turn.
    for (let step = 0; step < 1_000; step += 1) await undefined;
    assert.equal(isWritten, false);
    await written;
    assert.equal([...counts.entries()].length, MANY);
  });

  test('while maps are read of which the kernel gives one entry at a time', async () => {
    using spec = ObjectSpec.open(programs.compile('sockets'));
    using loaded = await spec.load();
    const tables = loaded.map('tables', u32, u32);
    const options = { type: MapType.hash, maxEntries: 16 };
    using inner = createMap(options, u32, u64);
    for (const key of [1, 2, 3]) tables.set(key, inner.fd);
    const found: (readonly [number, number])[] = [];
    for await (const batch of tables.batches()) found.push(...batch);
    assert.deepEqual(
      found.sort(([a], [b]) => a - b),
      [1, 2, 3].map((key) => [key, inner.id]),
    );
  });
});
