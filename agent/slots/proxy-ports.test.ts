import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { PROXY_PORTS, ProxyPorts } from './proxy-ports.ts';

/** Without those of Kubernetes' own programs, and of meshes. */
const SIZE = PROXY_PORTS.last - PROXY_PORTS.first + 1 - 13 - 100;
const FIRST = PROXY_PORTS.first;

/** Ports in a folder, with a clock and other listeners that a test sets. */
class World implements Disposable {
  readonly folder = new TemporaryFolder();
  readonly listening = new Set<number>();
  now = 0;

  open(): ProxyPorts {
    return ProxyPorts.open(this.folder.path, { now: () => this.now, listening: () => this.listening });
  }

  written(): unknown {
    return JSON.parse(readFileSync(this.folder.join('proxy-ports.json'), 'utf8'));
  }

  [Symbol.dispose](): void {
    this.folder.dispose();
  }
}

function allocated(ports: ProxyPorts, ...slots: readonly string[]): readonly (number | undefined)[] {
  const { ports: found, failure } = ports.allocate(slots);
  assert.equal(failure, undefined);
  return slots.map((slot) => found.get(slot));
}

describe('proxy ports', () => {
  test('each slot has its own, the same whenever it is asked for, and after a restart', () => {
    using world = new World();
    const ports = world.open();
    assert.deepEqual(allocated(ports, 'a', 'b', 'a'), [FIRST, FIRST + 1, FIRST]);
    assert.deepEqual(allocated(ports, 'b', 'c'), [FIRST + 1, FIRST + 2]);
    const again = world.open();
    // Envoy listens there by now.
    for (const each of [FIRST, FIRST + 1, FIRST + 2]) world.listening.add(each);
    assert.deepEqual(allocated(again, 'c', 'd', 'a'), [FIRST + 2, FIRST + 3, FIRST]);
  });

  test('they are written down by the time they are told', () => {
    using world = new World();
    const ports = world.open();
    ports.allocate(['a', 'b']);
    assert.deepEqual(world.written(), { ports: { a: FIRST, b: FIRST + 1 }, resting: {} });
    ports.release(['b', 'unknown']);
    assert.deepEqual(world.written(), { ports: { a: FIRST }, resting: { b: FIRST + 1 } });
  });

  test('one that was released is nobody else’s for a minute', () => {
    using world = new World();
    const ports = world.open();
    const all = Array.from({ length: SIZE }, (_, index) => `slot ${index}`);
    ports.allocate(all);
    ports.release(['slot 7']);
    world.now = 59_999;
    const { failure } = ports.allocate(['other']);
    assert.equal(failure?.code, 'exhausted');
    assert.match(failure.message, /10000 to 19999: 9886 slots have one each, 1 are at rest/);
    world.now = 60_000;
    assert.deepEqual(allocated(ports, 'other'), [FIRST + 7]);
  });

  test('a slot that is back within that minute has the one that it had', () => {
    using world = new World();
    const ports = world.open();
    ports.allocate(['a', 'b']);
    ports.release(['a']);
    // Envoy still drains its listener.
    world.listening.add(FIRST);
    assert.deepEqual(allocated(ports, 'c', 'a'), [FIRST + 2, FIRST]);
    assert.deepEqual(world.written(), { ports: { b: FIRST + 1, c: FIRST + 2, a: FIRST }, resting: {} });
  });

  test('the minute begins anew with the process: clocks of two are not to be compared', () => {
    using world = new World();
    const first = world.open();
    first.allocate(['a']);
    first.release(['a']);
    world.now = 1_000_000;
    const second = world.open();
    assert.deepEqual(allocated(second, 'b'), [FIRST + 1]);
    world.now += 60_000;
    second.release([]);
    assert.deepEqual(allocated(second, 'c'), [FIRST + 2], 'those that nobody had come first');
    assert.deepEqual(world.written(), { ports: { b: FIRST + 1, c: FIRST + 2 }, resting: {} });
  });

  test('never one that is another program’s even while that does not run', () => {
    using world = new World();
    const { ports } = world.open().allocate(Array.from({ length: SIZE + 1 }, (_, index) => `slot ${index}`));
    assert.equal(ports.size, SIZE);
    const taken = new Set(ports.values());
    const left = [10_248, 10_250, 10_256, 10_260, 15_000, 15_011, 15_099].filter((each) => taken.has(each));
    assert.deepEqual(left, []);
    for (const each of [FIRST, 10_247, 10_261, 14_999, 15_100, PROXY_PORTS.last]) assert.ok(taken.has(each), String(each));
  });

  test('never one that somebody else listens on', async () => {
    using world = new World();
    const free = world.open().allocate(['probe']).ports.get('probe') ?? 0;
    assert.equal(free, FIRST);
    for (let each = FIRST + 1; each < FIRST + 100; each += 1) world.listening.add(each);
    assert.deepEqual(allocated(world.open(), 'a'), [FIRST + 100]);
  });

  test('who listens is what the kernel says', async () => {
    using folder = new TemporaryFolder();
    const server = createServer();
    const port = await listenInRange(server);
    try {
      const { ports } = ProxyPorts.open(folder.path).allocate(Array.from({ length: port - FIRST + 1 }, (_, index) => `slot ${index}`));
      assert.equal(ports.size, port - FIRST + 1);
      assert.ok(![...ports.values()].includes(port));
    } finally {
      server.close();
    }
  });

  test('those for whom there is room get theirs', () => {
    using world = new World();
    for (let each = FIRST + 2; each <= PROXY_PORTS.last; each += 1) world.listening.add(each);
    const { ports, failure } = world.open().allocate(['a', 'b', 'c']);
    assert.deepEqual(
      [...ports],
      [
        ['a', FIRST],
        ['b', FIRST + 1],
      ],
    );
    assert.equal(failure?.code, 'exhausted');
  });

  test('a slot moves away from a port that Envoy cannot have', () => {
    using world = new World();
    const ports = world.open();
    ports.allocate(['a', 'b']);
    world.listening.add(FIRST);
    assert.equal(ports.move('a'), FIRST + 2);
    assert.deepEqual(allocated(ports, 'a', 'c'), [FIRST + 2, FIRST + 3]);
    ports.release(['a']);
    assert.deepEqual(allocated(ports, 'a'), [FIRST + 2], 'not the one that it was moved from');
    for (let each = FIRST; each <= PROXY_PORTS.last; each += 1) world.listening.add(each);
    assert.throws(() => ports.move('a'), { name: 'ProxyPortError', code: 'exhausted' });
    assert.deepEqual(allocated(ports, 'a'), [FIRST + 2]);
  });

  test('what cannot be written down is not so', () => {
    using world = new World();
    const ports = world.open();
    ports.allocate(['a']);
    mkdirSync(world.folder.join('proxy-ports.json.new'));
    const { ports: found, failure } = ports.allocate(['a', 'b']);
    assert.deepEqual([...found], [['a', FIRST]]);
    assert.equal(failure?.code, 'not-written');
    assert.throws(() => ports.release(['a']), { code: 'not-written' });
    assert.throws(() => ports.move('a'), { code: 'not-written' });
    assert.deepEqual(world.written(), { ports: { a: FIRST }, resting: {} });
    rmSync(world.folder.join('proxy-ports.json.new'), { recursive: true });
    const [b = 0] = allocated(ports, 'b');
    assert.deepEqual(world.written(), { ports: { a: FIRST, b }, resting: {} });
  });

  const UNREADABLE = {
    'no JSON': '{"ports":',
    'a port that is none of these': JSON.stringify({ ports: { a: 80 }, resting: {} }),
    'two slots with one port': JSON.stringify({ ports: { a: FIRST, b: FIRST }, resting: {} }),
    'a port in use and at rest': JSON.stringify({ ports: { a: FIRST }, resting: { b: FIRST } }),
  };
  for (const [what, content] of Object.entries(UNREADABLE)) {
    test(`a file that cannot be read is as none: ${what}`, () => {
      using world = new World();
      writeFileSync(world.folder.join('proxy-ports.json'), content);
      world.listening.add(FIRST);
      assert.deepEqual(allocated(world.open(), 'a'), [FIRST + 1]);
    });
  }
});

async function listenInRange(server: ReturnType<typeof createServer>): Promise<number> {
  for (let each = FIRST; each < FIRST + 200; each += 1) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const onError = () => resolve(false);
    server.once('error', onError).listen(each, '127.0.0.1', () => resolve(true));
    const isListening = await promise;
    server.off('error', onError);
    if (isListening) return each;
  }
  throw new Error('no port of the range is free');
}
