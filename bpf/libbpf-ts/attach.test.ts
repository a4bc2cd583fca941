import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BpfError, Link, type LoadedObject, ObjectSpec, openMap, u32, u64 } from './index.ts';
import { Cgroup } from './testing/cgroup.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';
import { enterOwnNamespaces } from './testing/own-namespaces.ts';

enterOwnNamespaces();

const LOOPBACK = 1;
const REFUSED_PORT = 9999;
const OTHER_PORT = 9998;
/** A BPF file system of this file's own. */
const PINS = '/sys/fs/bpf';
const INGRESS = { ifindex: LOOPBACK, direction: 'ingress' } as const;

function codeOf(code: string): (error: unknown) => boolean {
  return (error) => error instanceof BpfError && error.code === code;
}

async function bound(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** Whether a datagram for a port arrives, if one for another does that is sent after it. */
async function arrives(): Promise<boolean> {
  const [refused, other] = [await bound(REFUSED_PORT), await bound(OTHER_PORT)];
  let isThere = false;
  refused.on('message', () => {
    isThere = true;
  });
  const last = once(other, 'message');
  const client = createSocket('udp4');
  client.send('first', REFUSED_PORT, '127.0.0.1', () => client.send('second', OTHER_PORT, '127.0.0.1'));
  await last;
  await new Promise((resolve) => setImmediate(resolve));
  for (const socket of [refused, other, client]) socket.close();
  return isThere;
}

/** What a connection out of a cgroup to a port that nobody listens on says. */
function connectFrom(cgroup: Cgroup): string {
  return spawnSync('bash', ['-c', cgroup.within('exec 3<>/dev/tcp/127.0.0.1/1')], { encoding: 'utf8' }).stderr;
}

describe('a program', loads(), () => {
  const programs = new CompiledPrograms();
  let object: LoadedObject;
  before(async () => {
    using spec = ObjectSpec.open(programs.compile('attached'));
    object = await spec.load();
  });
  after(() => {
    object[Symbol.dispose]();
    programs[Symbol.dispose]();
  });

  test('on a device decides on packets, is replaced at once, and goes', async () => {
    assert.equal(await arrives(), true);
    const filter = object.program('drop_some').attachToDevice(INGRESS);
    assert.equal(await arrives(), false);
    filter.update(object.program('drop_none'));
    assert.equal(await arrives(), true);
    filter.update(object.program('drop_some'));
    assert.equal(await arrives(), false);
    assert.equal(filter.isAttached, true);
    filter[Symbol.dispose]();
    assert.equal(filter.isAttached, false);
    assert.equal(await arrives(), true);
    assert.throws(() => filter.update(object.program('drop_none')), codeOf('closed'));
  });

  test('on a device leaves others alone', async () => {
    const first = object.program('drop_some').attachToDevice(INGRESS);
    const second = object.program('drop_some').attachToDevice({ ...INGRESS, priority: 2 });
    first[Symbol.dispose]();
    assert.equal(await arrives(), false);
    // Somebody else's, in the place of ours.
    using replaced = object.program('drop_some').attachToDevice({ ...INGRESS, priority: 2, handle: 1 });
    assert.ok(replaced.isAttached);
    second.update(object.program('drop_none'));
    assert.equal(replaced.isAttached, false);
    replaced[Symbol.dispose]();
    assert.equal(second.isAttached, true);
    second[Symbol.dispose]();
    assert.throws(() => object.program('drop_some').attachToDevice({ ifindex: 4711, direction: 'egress' }), codeOf('attach-failed'));
    assert.throws(() => object.program('connect_never').attachToDevice(INGRESS), codeOf('attach-failed'));
  });

  test('on a cgroup decides on connections, and is replaced at once', () => {
    using cgroup = new Cgroup();
    assert.match(connectFrom(cgroup), /Connection refused/);
    const link = object.program('connect_never').attachToCgroup(cgroup.folder);
    assert.match(connectFrom(cgroup), /Operation not permitted/);
    link.update(object.program('connect_always'));
    assert.match(connectFrom(cgroup), /Connection refused/);
    link.update(object.program('connect_never'));
    link[Symbol.dispose]();
    assert.match(connectFrom(cgroup), /Connection refused/);
    assert.throws(() => link.update(object.program('connect_always')), codeOf('closed'));
    assert.throws(() => object.program('drop_some').attachToCgroup(cgroup.folder), codeOf('attach-failed'));
  });

  test('that is pinned goes on without who attached it', () => {
    using cgroup = new Cgroup();
    const path = join(PINS, 'connect');
    {
      using link = object.program('connect_never').attachToCgroup(cgroup.folder);
      link.pin(path);
      assert.throws(() => link.pin(path), codeOf('attach-failed'));
    }
    assert.match(connectFrom(cgroup), /Operation not permitted/);
    {
      using link = Link.openPinned(path);
      link.update(object.program('connect_always'));
    }
    assert.match(connectFrom(cgroup), /Connection refused/);
    rmSync(path);
    assert.throws(() => Link.openPinned(path), codeOf('not-found'));
  });

  test('on a network decides which socket is found', async () => {
    await using server = createServer((socket) => socket.end()).listen(REFUSED_PORT, '127.0.0.1');
    await once(server, 'listening');
    const connects = async () => {
      const socket = connect(REFUSED_PORT, '127.0.0.1');
      const how = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      socket.destroy();
      return how;
    };
    assert.equal(await connects(), true);
    {
      using link = object.program('find_none').attachToNetwork('/proc/self/ns/net');
      assert.equal(await connects(), false);
      link.update(object.program('find_all'));
      assert.equal(await connects(), true);
      link.update(object.program('find_none'));
      assert.equal(await connects(), false);
      assert.throws(() => link.update(object.program('drop_none')), codeOf('attach-failed'));
    }
    assert.equal(await connects(), true);
  });

  test('is attached to what its section names', () => {
    const calls = object.map('calls', u32, u64);
    const countedBy = (program: string, work: () => void) => {
      const counted = calls.get(0) ?? 0n;
      using _link = object.program(program).attach();
      work();
      return (calls.get(0) ?? 0n) - counted;
    };
    assert.ok(countedBy('count_questions', () => process.ppid) > 0n, 'no call of a library was counted');
    assert.ok(countedBy('count_calls', () => {}) > 0n, 'no call was counted');
    const connectToNobody = () => void spawnSync('bash', ['-c', 'exec 3<>/dev/tcp/127.0.0.1/1']);
    assert.ok(countedBy('count_states', connectToNobody) > 0n, 'no state was counted');
    const counted = calls.get(0);
    connectToNobody();
    assert.equal(calls.get(0), counted);
    assert.throws(() => object.program('drop_none').attach(), codeOf('attach-failed'));
    // Those that only see are not replaced by the kernel.
    using states = object.program('count_states').attach();
    assert.throws(() => states.update(object.program('count_states')), codeOf('attach-failed'));
  });
});

const HAS_KPROBES = existsSync('/sys/bus/event_source/devices/kprobe');

describe(`a kprobe, on a kernel ${HAS_KPROBES ? 'with' : 'without'} them`, loads(), () => {
  test('is attached, or refused by an error that says why', async () => {
    using programs = new CompiledPrograms();
    using spec = ObjectSpec.open(programs.compile('attached'));
    using object = await spec.load();
    const outcome = () => {
      try {
        using _link = object.program('count_connects').attach();
        spawnSync('bash', ['-c', 'exec 3<>/dev/tcp/127.0.0.1/1']);
        return (object.map('calls', u32, u64).get(0) ?? 0n) > 0n ? 'counted' : 'not counted';
      } catch (error) {
        assert.ok(error instanceof BpfError);
        return `${error.code}: no ${error.missing}`;
      }
    };
    assert.equal(outcome(), HAS_KPROBES ? 'counted' : 'attach-failed: no kprobes');
  });
});

describe('a pinned map', loads(), () => {
  const programs = new CompiledPrograms();
  let path = '';
  before(() => {
    path = programs.compile('maps');
  });
  after(() => {
    programs[Symbol.dispose]();
  });

  test('is used again, with what is in it', async () => {
    for (const turn of [0n, 1n, 2n]) {
      using spec = ObjectSpec.open(path);
      spec.map('counts').pinPath = join(PINS, 'counts');
      using loaded = await spec.load();
      const counts = loaded.map('counts', u32, u64);
      assert.equal(counts.get(1) ?? 0n, turn);
      counts.set(1, turn + 1n);
    }
  });

  test('that is another one than it is to be is refused, and stays as it is', async () => {
    using spec = ObjectSpec.open(path);
    spec.map('counts').pinPath = join(PINS, 'counts');
    spec.map('counts').maxEntries = 5;
    await assert.rejects(spec.load(), (error) => {
      assert.ok(codeOf('pin-mismatch')(error));
      assert.match(String(error), /counts is not as counts is to be: maxEntries 100000, not 5/);
      return true;
    });
    spec.map('counts').maxEntries = 100_000;
    using loaded = await spec.load();
    assert.equal(loaded.map('counts', u32, u64).get(1), 3n);
  });

  test('that is another one is migrated if that is asked for, and the path leads to one of them all the while', async () => {
    const pinned = join(PINS, 'migrated');
    const spec = (maxEntries: number) => {
      const opened = ObjectSpec.open(path);
      opened.map('counts').pinPath = pinned;
      opened.map('counts').maxEntries = maxEntries;
      return opened;
    };
    {
      using first = spec(10);
      using loaded = await first.load();
      await loaded.map('counts', u32, u64).setAll(Array.from({ length: 10 }, (_, key) => [key, BigInt(key)] as const));
    }
    using tooSmall = spec(3);
    tooSmall.map('counts').migrate = (key, value) => [key, value];
    await assert.rejects(tooSmall.load(), codeOf('map-failed'));
    assert.equal([...openMap(pinned).entries()].length, 10);

    using larger = spec(20);
    larger.map('counts').migrate = (key, value) => (key[0] === 3 ? undefined : [key, value.map((byte) => byte * 2)]);
    using loaded = await larger.load();
    const expected = [0, 1, 2, 4, 5, 6, 7, 8, 9].map((key) => [key, BigInt(key) * 2n]);
    assert.deepEqual(new Map(loaded.map('counts', u32, u64).entries()), new Map(expected.map(([key, value]) => [key, value])));
    using opened = openMap(pinned, u32, u64);
    assert.equal(opened.info.maxEntries, 20);
    opened.set(3, 9n);
    assert.equal(loaded.map('counts', u32, u64).get(3), 9n);
    assert.deepEqual(
      readdirSync(PINS).filter((name) => name.includes('new')),
      [],
    );
    assert.throws(() => openMap(join(PINS, 'none')), codeOf('not-found'));
    assert.throws(() => openMap(pinned, u32, u32), codeOf('layout-mismatch'));
  });
});
