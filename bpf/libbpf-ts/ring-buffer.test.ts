import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { BpfError, type LoadedObject, ObjectSpec, struct, u16, u32, u64 } from './index.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

const event = struct({ number: u64, round: u32, kind: u16 });
const PACKET = new Uint8Array(64);
/** Of 16 events a packet, four are discarded. */
const TOLD_EACH = 12;
const TIMES_ROUND_THE_RING = 5;
const RING_BYTES = 1 << 18;
const RECORD_BYTES = 72;

describe('a ring buffer', loads(), () => {
  const programs = new CompiledPrograms();
  let path = '';
  before(() => {
    path = programs.compile('events');
  });
  after(() => programs[Symbol.dispose]());
  const load = async (): Promise<LoadedObject> => {
    using spec = ObjectSpec.open(path);
    return await spec.load();
  };

  test('gives what programs told, in order and nothing twice, also round and round', async () => {
    using loaded = await load();
    using events = loaded.ringBuffer('events', event);
    const tell = loaded.program('tell');
    const packets = Math.ceil((TIMES_ROUND_THE_RING * RING_BYTES) / (16 * RECORD_BYTES));
    const numbers: bigint[] = [];
    for (let packet = 0; packet < packets; packet += 1) {
      tell.testRun(PACKET);
      for (let told = 0; told < TOLD_EACH; told += 1) {
        const { value } = await events.next();
        assert.equal(value.kind, value.round % 2);
        numbers.push(value.number);
      }
    }
    const expected = Array.from({ length: packets * 16 }, (_, index) => BigInt(index)).filter((number) => number % 4n !== 3n);
    assert.deepEqual(numbers, expected);
    assert.equal(events.dropped + events.length, 0);
  });

  test('keeps as many as it may, and counts what it drops', async () => {
    using loaded = await load();
    using events = loaded.ringBuffer('events', event, { capacity: 20 });
    for (let packet = 0; packet < 5; packet += 1) loaded.program('tell').testRun(PACKET);
    assert.equal((await events.next()).value.number, 0n);
    assert.equal(events.length, 20);
    assert.equal(events.dropped, 5 * TOLD_EACH - 21);
  });

  test('gives records as they are, and none that is too short for its form', async () => {
    using loaded = await load();
    using events = loaded.ringBuffer('events');
    loaded.program('tell_shortly').testRun(PACKET);
    assert.deepEqual([...(await events.next()).value], [7, 0, 0, 0]);
    events[Symbol.dispose]();
    using typed = loaded.ringBuffer('events', event);
    loaded.program('tell_shortly').testRun(PACKET);
    loaded.program('tell').testRun(PACKET);
    assert.equal((await typed.next()).value.number, 0n);
    assert.equal(typed.malformed, 1);
  });

  test('ends for who waits when it is disposed of, by itself or with its object', async () => {
    const loaded = await load();
    const events = loaded.ringBuffer('events', event);
    const next = events.next();
    loaded[Symbol.dispose]();
    assert.equal((await next).done, true);
    assert.equal((await events.next()).done, true);
    using again = await load();
    again.program('tell').testRun(PACKET);
    const read: bigint[] = [];
    for await (const { number } of again.ringBuffer('events', event)) {
      read.push(number);
      if (number >= 4n) break;
    }
    assert.deepEqual(read, [0n, 1n, 2n, 4n]);
  });

  test('keeps the process while somebody waits, and ends with it else', () => {
    const run = (script: string) => {
      const source = `import { ObjectSpec } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
        const loaded = await ObjectSpec.open(${JSON.stringify(path)}).load();
        const events = loaded.ringBuffer('events');
        const tell = () => loaded.program('tell_shortly').testRun(new Uint8Array(64));
        ${script}`;
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], { encoding: 'utf8' });
      return { status, stdout, stderr };
    };
    const told = run('setTimeout(tell, 50).unref(); setTimeout(tell, 500); console.log((await events.next()).value.length);');
    assert.deepEqual(told, { status: 0, stdout: '4\n', stderr: '' });
    assert.deepEqual(run('tell(); while (events.length === 0) await new Promise(setImmediate); console.log(events.length);'), {
      status: 0,
      stdout: '1\n',
      stderr: '',
    });
    assert.deepEqual(run('tell();'), { status: 0, stdout: '', stderr: '' });
  });

  test('is not every map', async () => {
    using spec = ObjectSpec.open(programs.compile('maps'));
    using loaded = await spec.load();
    assert.throws(
      () => loaded.ringBuffer('counts'),
      (error) => error instanceof BpfError && error.code === 'layout-mismatch',
    );
  });
});
