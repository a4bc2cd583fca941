import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { BpfError, createMap, type LoadedObject, MapType, ObjectSpec, u32, u64 } from './index.ts';
import { Cgroup } from './testing/cgroup.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';

const NOT_THERE = 0xffff_ffff;

describe('maps of sockets and of maps', loads(), () => {
  const programs = new CompiledPrograms();
  let object: LoadedObject;
  before(async () => {
    using spec = ObjectSpec.open(programs.compile('sockets'));
    object = await spec.load();
  });
  after(() => {
    object[Symbol.dispose]();
    programs[Symbol.dispose]();
  });

  test('a program on a map of sockets judges their messages, as long as it is there', async () => {
    using cgroup = new Cgroup();
    const heard: Promise<string>[] = [];
    await using server = createServer((socket) => heard.push(text(socket))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const say = (what: string) => {
      const script = `exec 3<>/dev/tcp/127.0.0.1/${address.port} && printf '%s' "$1" >&3`;
      return spawnSync('bash', ['-c', cgroup.within(script), 'bash', what], { encoding: 'utf8' });
    };
    const sockets = object.map('sockets');
    using _joined = object.program('join').attachToCgroup(cgroup.folder);
    {
      using _judged = object.program('judge').attachToSockets(sockets);
      assert.equal(say('hello').status, 0);
      assert.match(say('!hello').stderr, /write error: Permission denied/);
      assert.throws(() => object.program('look_up').attachToSockets(sockets), BpfError);
    }
    assert.equal(say('!again').status, 0);
    while (heard.length < 3) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await Promise.all(heard), ['hello', '', '!again']);
  });

  test('a map in a map is found by programs, also when nobody else holds it', () => {
    const tables = object.map('tables', u32, u32);
    const lookUp = () => object.program('look_up').testRun(new Uint8Array(64)).returned;
    assert.equal(lookUp(), NOT_THERE);
    {
      using inner = createMap({ name: 'inner', type: MapType.hash, maxEntries: 16 }, u32, u64);
      inner.set(2, 42n);
      tables.set(1, inner.fd);
      assert.equal(lookUp(), 42);
      inner.set(2, 43n);
    }
    assert.equal(lookUp(), 43);
    using other = createMap({ type: MapType.array, maxEntries: 16 }, u32, u64);
    assert.throws(() => tables.set(1, other.fd), BpfError);
    tables.delete(1);
    assert.equal(lookUp(), NOT_THERE);
  });

  test('a map that was made is used no more when it was disposed of', () => {
    const map = createMap({ type: MapType.hash, maxEntries: 1 }, u32, u32);
    map.set(1, 2);
    map[Symbol.dispose]();
    assert.throws(
      () => map.get(1),
      (error) => error instanceof BpfError && error.code === 'closed',
    );
    assert.throws(() => createMap({ type: 9_999, maxEntries: 1 }, u32, u32), BpfError);
    assert.throws(() => createMap({ type: MapType.perCpuHash, maxEntries: 1 }, u32, u32), BpfError);
  });
});
