import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { BpfError, bytes, type LoadedObject, MapType, ObjectSpec, perCpu, struct, u8, u16, u32, u64 } from './index.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

const IPV4 = [8, 0];
const MIN_LOOKUP_RUNS = 3;
/** More than libbpf has room for by itself at first. */
const LONG_LOG = 100_000;

/** An Ethernet frame with an IPv4 header and nothing more. */
function packetFrom(source: readonly number[], protocol = 17): Uint8Array {
  const header = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, protocol, 0, 0, ...source, 10, 0, 0, 2];
  return Uint8Array.from([...new Array<number>(12).fill(2), ...IPV4, ...header]);
}

function codeOf(code: string): (error: unknown) => boolean {
  return (error) => error instanceof BpfError && error.code === code;
}

describe('an object', loads(), () => {
  let path = '';
  let refused = '';
  const programs = new CompiledPrograms();
  before(() => {
    path = programs.compile('maps');
    refused = programs.compile('refused');
  });
  after(() => programs[Symbol.dispose]());

  test('tells its maps and programs before it is loaded', () => {
    using spec = ObjectSpec.open(path);
    assert.deepEqual([...spec.maps.keys()].filter((name) => !name.includes('.')).sort(), [
      'counts',
      'drops',
      'flows',
      'identities',
      'reasons',
      'settings',
    ]);
    assert.deepEqual([...spec.programs.values()], [{ name: 'count', section: 'tc', type: 3 }]);
    const { type, keySize, valueSize, maxEntries } = spec.map('flows');
    assert.deepEqual({ type, keySize, valueSize, maxEntries }, { type: MapType.lruHash, keySize: 4, valueSize: 16, maxEntries: 1024 });
    assert.throws(() => spec.map('flow'), /has no map flow; it has counts/);
  });

  test('is read from bytes as from a file, and from no others', () => {
    using spec = ObjectSpec.open(readFileSync(path), 'from bytes');
    assert.equal(spec.name, 'from bytes');
    assert.ok(spec.programs.has('count'));
    for (const source of [new Uint8Array(), new Uint8Array(1000), readFileSync(path).subarray(0, 500)]) {
      assert.throws(() => ObjectSpec.open(source, 'damaged'), codeOf('open-failed'));
    }
  });

  test('is loaded once, with sizes and read-only variables that were set before', async () => {
    using spec = ObjectSpec.open(path);
    spec.map('settings').maxEntries = 3;
    const mark = spec.variable('mark_to_set', u32);
    assert.equal(mark.value, 7);
    mark.value = 42;
    assert.equal(spec.variable('mark_to_set', u32).value, 42);
    assert.equal(spec.variable('port_to_drop', u32).value, 0);
    assert.throws(() => spec.variable('mark_to_set', u64), codeOf('layout-mismatch'));
    assert.throws(() => spec.variable('mark', u32), /has no variable mark; it has .*mark_to_set/);
    using loaded = await spec.load();
    const settings = loaded.map('settings', u32, u32);
    assert.equal(settings.set(2, 9), true);
    assert.throws(() => settings.set(3, 9), codeOf('map-failed'));
    const { context } = loaded.program('count').testRun(packetFrom([10, 0, 0, 1]), { context: new Uint8Array(192) });
    assert.equal(new DataView(context.buffer).getUint32(8, true), 42, 'the mark is not the one that was set');
    await assert.rejects(spec.load(), codeOf('closed'));
    assert.throws(() => mark.value, codeOf('closed'));
  });

  test('that the verifier refuses says which program, and all of why', async () => {
    using spec = ObjectSpec.open(refused);
    await assert.rejects(spec.load(), (error) => {
      assert.ok(error instanceof BpfError);
      assert.equal(error.code, 'load-failed');
      assert.equal(error.program, 'careless');
      assert.equal(error.kernel, release());
      assert.deepEqual(error.missing, []);
      assert.equal(error.errnoName, 'EACCES');
      assert.match(error.verifierLog ?? '', /invalid access to packet/);
      assert.match(error.message, /^Linux \S+ refused the program careless of refused\.bpf\.o: .*EACCES/);
      return true;
    });
  });

  test('that the verifier refuses at length says all of it, from the first instruction to the last', async () => {
    using spec = ObjectSpec.open(programs.compile('refused-at-length'));
    await assert.rejects(spec.load(), (error) => {
      const log = error instanceof BpfError ? (error.verifierLog ?? '') : '';
      const lines = log.trimEnd().split('\n');
      assert.ok(log.length > LONG_LOG, `the log has ${log.length} characters`);
      assert.match(lines[0] ?? '', /^(?:func#0 @0|0: )/);
      assert.match(lines.at(-2) ?? '', /packet/);
      assert.match(lines.at(-1) ?? '', /^processed \d+ insns/);
      return true;
    });
  });

  test('runs programs on packets, which change packet, context and maps', async () => {
    using spec = ObjectSpec.open(path);
    using loaded = await spec.load();
    const counts = loaded.map('counts', u32, u64);
    const count = loaded.program('count');
    for (let run = 0; run < MIN_LOOKUP_RUNS; run += 1) {
      const { returned, packet } = count.testRun(packetFrom([10, 0, 0, 1]));
      assert.equal(returned, 0);
      assert.equal(packet[22], 63, 'the time to live was not counted down');
    }
    assert.deepEqual([...counts.entries()], [[0x0a000001, BigInt(MIN_LOOKUP_RUNS)]]);
    assert.equal(count.testRun(packetFrom([10, 0, 0, 1], 0)).returned, 2, 'the protocol 0 was not dropped');
    const dropped = loaded.map('drops', u32, perCpu(u64)).get(1) ?? [];
    assert.equal(
      dropped.reduce((sum, value) => sum + value, 0n),
      1n,
    );
    assert.throws(() => count.testRun(new Uint8Array(4)), codeOf('run-failed'));
  });

  test('that was disposed of is used no more', async () => {
    const unused = ObjectSpec.open(path);
    const settings = unused.map('settings');
    unused[Symbol.dispose]();
    assert.throws(() => settings.maxEntries, codeOf('closed'));
    assert.throws(() => {
      settings.pinPath = '/sys/fs/bpf/none';
    }, codeOf('closed'));
    await assert.rejects(unused.load(), codeOf('closed'));
    using spec = ObjectSpec.open(path);
    const loaded: LoadedObject = await spec.load();
    const counts = loaded.map('counts', u32, u64);
    const count = loaded.program('count');
    loaded[Symbol.dispose]();
    assert.throws(() => counts.get(1), codeOf('closed'));
    assert.throws(() => count.testRun(packetFrom([10, 0, 0, 1])), codeOf('closed'));
    loaded[Symbol.dispose]();
  });

  test('has codecs that must fit', async () => {
    using spec = ObjectSpec.open(path);
    using loaded = await spec.load();
    assert.throws(() => loaded.map('counts', u32, u32), /keys of 4 and values of 8 bytes, not of 4 and 4/);
    assert.throws(() => loaded.map('reasons', u32, u32), codeOf('layout-mismatch'));
    assert.ok(loaded.map('flows', u32, struct({ source: u32, port: u16, protocol: u8, packets: u64 })));
    assert.ok(loaded.map('identities', struct({ length: u32, address: bytes(4) }), u32));
  });
});
