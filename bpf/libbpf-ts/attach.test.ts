import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BpfError, Link, type LoadedObject, ObjectSpec, u32, u64 } from './index.ts';
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

/** A cgroup of version 2 of its own. */
class Cgroup implements Disposable {
  readonly folder: string;

  constructor() {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const root = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
    assert.ok(root, 'no cgroup file system of version 2 is mounted');
    this.folder = join(root, `libbpf-ts-${process.pid}`);
    mkdirSync(this.folder);
  }

  /** What a connection to a port that nobody listens on says. */
  connect(): string {
    const script = 'echo $$ > "$0/cgroup.procs" && exec 3<>/dev/tcp/127.0.0.1/1';
    return spawnSync('bash', ['-c', script, this.folder], { encoding: 'utf8' }).stderr;
  }

  [Symbol.dispose](): void {
    rmdirSync(this.folder);
  }
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
    assert.match(cgroup.connect(), /Connection refused/);
    const link = object.program('connect_never').attachToCgroup(cgroup.folder);
    assert.match(cgroup.connect(), /Operation not permitted/);
    link.update(object.program('connect_always'));
    assert.match(cgroup.connect(), /Connection refused/);
    link.update(object.program('connect_never'));
    link[Symbol.dispose]();
    assert.match(cgroup.connect(), /Connection refused/);
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
    assert.match(cgroup.connect(), /Operation not permitted/);
    {
      using link = Link.openPinned(path);
      link.update(object.program('connect_always'));
    }
    assert.match(cgroup.connect(), /Connection refused/);
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
      using _link = object.program('find_none').attachToNetwork('/proc/self/ns/net');
      assert.equal(await connects(), false);
    }
    assert.equal(await connects(), true);
  });

  test('is attached to what its section names', () => {
    const calls = object.map('calls', u32, u64);
    assert.equal(calls.get(0), 0n);
    using _link = object.program('count_calls').attach();
    assert.ok((calls.get(0) ?? 0n) > 0n);
    assert.throws(() => object.program('drop_none').attach(), codeOf('attach-failed'));
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
});
