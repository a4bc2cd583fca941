import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { modelResource, readModelBody } from '../../testkit/xds/model-resources.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, type Resource } from '../serve/index.ts';
import { decodeLog } from './record.ts';
import { RelayStore, type StoreEvent } from './store.ts';

const WRITER = fileURLToPath(new URL('../../testkit/xds/relay-store-writer.ts', import.meta.url));
const ON_FULL_DISK = fileURLToPath(new URL('../../testkit/xds/relay-store-on-full-disk.ts', import.meta.url));

function cluster(name: string, version: string): Resource {
  return modelResource(CLUSTER_TYPE, name, version, [{ typeUrl: ENDPOINTS_TYPE, name }]);
}

function open(folder: string, events: StoreEvent[] = []): RelayStore {
  return RelayStore.open({ folder, onEvent: (event) => events.push(event), gatherMs: 0, retryMs: 20 });
}

function wordsIn(store: RelayStore): string[] {
  return [...store.resources()].map(({ name, version }) => `${name}@${version}`).sort();
}

function logIn(folder: string): { readonly path: string; readonly id: string } {
  const [file = ''] = readdirSync(folder).filter((name) => name.endsWith('.log'));
  return { path: `${folder}/${file}`, id: file.split('.')[2] ?? '' };
}

async function stored(folder: string, ...resources: readonly Resource[]): Promise<void> {
  const store = open(folder);
  for (const resource of resources) {
    store.put(resource);
    await store.flush();
  }
  await store.close();
}

describe('a relay store', () => {
  test('has after a restart what was put last, with what it requires', async () => {
    using folder = new TemporaryFolder();
    const store = open(folder.join('store'));
    store.put(cluster('a', '1'));
    store.put(cluster('b', '1'));
    await store.flush();
    store.put(cluster('a', '2'));
    store.delete({ typeUrl: CLUSTER_TYPE, name: 'b' });
    await store.close();
    const again = open(folder.join('store'));
    assert.deepEqual([...again.resources()], [{ ...cluster('a', '2'), body: new Uint8Array(cluster('a', '2').body) }]);
    await again.close();
  });

  test('is for its owner only, whatever the folder was before', async () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('store'));
    chmodSync(folder.join('store'), 0o755);
    await stored(folder.join('store'), cluster('a', '1'));
    assert.equal(statSync(folder.join('store')).mode & 0o777, 0o700);
    assert.equal(statSync(logIn(folder.join('store')).path).mode & 0o777, 0o600);
  });

  test('appends a change, and is written anew when most of it is out of date', async () => {
    using folder = new TemporaryFolder();
    const store = open(folder.join('store'));
    const large = (version: number): Resource => ({ ...cluster('large', String(version)), body: Buffer.alloc(1024 * 1024, version) });
    const sizes: number[] = [];
    for (let version = 0; version < 20; version++) {
      store.put(large(version));
      await store.flush();
      sizes.push(statSync(logIn(folder.join('store')).path).size);
    }
    const [first = 0, second = 0] = sizes;
    assert.ok(second > first, 'the second version stands behind the first');
    assert.ok(Math.max(...sizes) < 8 * 1024 * 1024, String(Math.max(...sizes)));
    await store.close();
    const again = open(folder.join('store'));
    assert.deepEqual(wordsIn(again), ['large@19']);
    assert.equal(readdirSync(folder.join('store')).length, 1);
    await again.close();
  });

  test('goes on from memory while it cannot write, says so, and recovers', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('store');
    const events: StoreEvent[] = [];
    const store = open(path, events);
    // Without the folder nobody can write, not even root.
    rmSync(path, { recursive: true });
    store.put(cluster('a', '1'));
    await store.flush();
    assert.equal(store.isFailing, true);
    store.put(cluster('b', '1'));
    assert.deepEqual(wordsIn(store), ['a@1', 'b@1']);
    mkdirSync(path);
    await eventually(() => assert.equal(store.isFailing, false));
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['failing', 'recovered'],
    );
    await store.close();
    const again = open(path);
    assert.deepEqual(wordsIn(again), ['a@1', 'b@1']);
    await again.close();
  });

  test('loses nothing that was accepted while the disk was full', needs('root'), () => {
    using folder = new TemporaryFolder();
    const script = 'mount -t tmpfs -o size=400k none "$1" && exec "$2" "$3" "$1"';
    const args = ['--mount', 'sh', '-c', script, 'sh', folder.path, process.execPath, ON_FULL_DISK];
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 60_000 });
    assert.notEqual(stdout, '', stderr);
    const { puts, found, events } = JSON.parse(stdout);
    assert.ok(puts > 2, `${puts} resources until the disk was full`);
    assert.deepEqual(found.sort(), [...Array.from({ length: puts }, (_, index) => `c${index}`), 'last'].sort());
    assert.deepEqual(events, ['failing', 'recovered']);
  });

  test('skips what is damaged, says so, uses the rest, and mends the log', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('store');
    await stored(path, cluster('a', '1'), cluster('b', '1'), cluster('c', '1'));
    const log = logIn(path);
    const bytes = readFileSync(log.path);
    const at = bytes.indexOf('"name":"b"');
    assert.ok(at > 0);
    bytes.writeUInt8(bytes.readUInt8(at + 8) ^ 1, at + 8);
    writeFileSync(log.path, bytes);
    const events: StoreEvent[] = [];
    const store = open(path, events);
    assert.deepEqual(wordsIn(store), ['a@1', 'c@1']);
    assert.deepEqual(events, [{ kind: 'damaged', parts: 1 }]);
    await store.close();
    const later: StoreEvent[] = [];
    const again = open(path, later);
    assert.deepEqual(wordsIn(again), ['a@1', 'c@1']);
    assert.deepEqual(later, []);
    await again.close();
  });

  test('cut off at any byte, holds the records before', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('store');
    await stored(path, cluster('a', '1'), cluster('b', '1'), cluster('a', '2'));
    const log = logIn(path);
    const bytes = readFileSync(log.path);
    const allowed = ['', 'a@1', 'a@1,b@1', 'a@2,b@1'];
    let longest = 0;
    for (let end = 0; end <= bytes.length; end++) {
      writeFileSync(log.path, bytes.subarray(0, end));
      const store = open(path);
      const stage = allowed.indexOf(wordsIn(store).join());
      assert.ok(stage >= longest, `${end} bytes: ${wordsIn(store)}`);
      longest = stage;
      store.put(cluster('z', '1'));
      await store.close();
      const again = open(path);
      assert.ok(wordsIn(again).includes('z@1'), 'what is put after the cut is found');
      await again.close();
    }
    assert.equal(longest, 3);
  });

  test('never throws at random damage, nor takes a wrong resource for a right one', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('store');
    const resources = ['1', '2', '3'].flatMap((version) => ['a', 'b', 'c'].map((name) => cluster(name, version)));
    await stored(path, ...resources);
    const { path: log, id } = logIn(path);
    const whole = readFileSync(log);
    let survived = 0;
    const flip = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 12 }), fc.nat(whole.length), (flips, length) => {
        const bytes = Buffer.from(whole);
        for (const { at, to } of flips) bytes[at] = to;
        const { records } = decodeLog(id, bytes.subarray(0, length));
        for (const record of records) {
          assert.ok(record.kind === 'put');
          const body = readModelBody(record.resource.body);
          assert.equal(`${body.name}@${body.version}`, `${record.resource.name}@${record.resource.version}`);
          assert.ok(resources.some(({ name, version }) => name === body.name && version === body.version));
          survived++;
        }
      }),
      { numRuns: 2_000 },
    );
    assert.ok(survived > 2_000, `${survived} records were read`);
  });

  test('is whole however its process is killed', async (t) => {
    using folder = new TemporaryFolder();
    const path = folder.join('store');
    let latest = 0;
    for (let round = 0; round < 8; round++) {
      const child = spawn(process.execPath, [WRITER, path, String(latest)], { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines = createInterface({ input: child.stdout });
      let flushed = latest;
      for await (const line of lines) {
        flushed = Number(line);
        if (flushed >= latest + 40 + round) break;
      }
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      const events: StoreEvent[] = [];
      const store = open(path, events);
      const versions = [...store.resources()].map(({ version }) => Number(version));
      assert.ok(Math.max(...versions) >= flushed, `${Math.max(...versions)} of ${flushed}`);
      for (const { name, version, body } of store.resources()) assert.equal(readModelBody(body).version, version, name);
      assert.deepEqual(events, []);
      latest = Math.max(...versions);
      await store.close();
    }
    t.diagnostic(`${latest} changes over 8 processes that were killed`);
  });
});
