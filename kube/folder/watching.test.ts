import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { documents, serviceYaml } from '../../testkit/manifests.ts';
import { ObjectFollower } from '../../testkit/object-follower.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { FolderError, FolderSource, type FolderTiming } from './index.ts';

const A = serviceYaml('a');
const B = serviceYaml('b');

/** A folder with some files, and a follower of it. No rescan helps out, unless a test asks for it. */
async function follow(folder: TemporaryFolder, files: Readonly<Record<string, string>>, timing: Partial<FolderTiming> = {}) {
  for (const [name, content] of Object.entries(files)) writeFileSync(folder.join(name), content);
  return ObjectFollower.start(new FolderSource(folder.path, { timing: { rescan: 3_600_000, ...timing } }));
}

function port(follower: ObjectFollower, name: string): number | undefined {
  const object = follower.get(`Service/default/${name}`);
  return object?.kind === 'Service' ? object.spec.ports[0]?.port : undefined;
}

/** For tests that need a pause in the middle of a change, which a busy machine may make longer. */
const PATIENT = { settle: 5000, maxSettle: 10_000 };

/** Every name that was in a removal so far. */
function removed(follower: ObjectFollower): readonly string[] {
  return follower.batches.flatMap((batch) => batch.removals.map((ref) => ref.name));
}

describe('a file is changed', () => {
  test('in place: what did not change in it keeps its identity', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': documents(A, B) });
    const a = follower.get('Service/default/a');
    writeFileSync(folder.join('x.yaml'), documents(A, serviceYaml('b', 81)));
    await follower.until(() => port(follower, 'b') === 81);
    assert.equal(follower.get('Service/default/a'), a);
    assert.deepEqual(
      follower.batches.slice(1).flatMap((batch) => batch.upserts.map((object) => object.metadata.name)),
      ['b'],
    );
  });

  test('as editors do it: a new file is renamed over it', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': A });
    writeFileSync(folder.join('x.yaml.tmp'), serviceYaml('a', 81));
    renameSync(folder.join('x.yaml.tmp'), folder.join('x.yaml'));
    await follower.until(() => port(follower, 'a') === 81);
    assert.deepEqual(removed(follower), []);
  });

  test('as vim does it: it is renamed to a backup, written anew, the backup deleted', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': A }, PATIENT);
    writeFileSync(folder.join('4913'), '');
    unlinkSync(folder.join('4913'));
    writeFileSync(folder.join('.x.yaml.swp'), A);
    renameSync(folder.join('x.yaml'), folder.join('x.yaml~'));
    await sleep(100);
    writeFileSync(folder.join('x.yaml'), serviceYaml('a', 81));
    unlinkSync(folder.join('x.yaml~'));
    await follower.until(() => port(follower, 'a') === 81);
    assert.deepEqual(removed(follower), []);
  });

  test('by deleting and creating it', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': A }, PATIENT);
    unlinkSync(folder.join('x.yaml'));
    await sleep(100);
    writeFileSync(folder.join('x.yaml'), serviceYaml('a', 81));
    await follower.until(() => port(follower, 'a') === 81);
    assert.deepEqual(removed(follower), []);
  });

  test('slowly, in two halves', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': documents(A, B) }, PATIENT);
    const text = documents(serviceYaml('a', 81), serviceYaml('b', 81));
    writeFileSync(folder.join('x.yaml'), text.slice(0, -20));
    await sleep(100);
    appendFileSync(folder.join('x.yaml'), text.slice(-20));
    await follower.until(() => port(follower, 'b') === 81);
    assert.deepEqual(removed(follower), []);
    assert.deepEqual(
      follower.batches.slice(1).map((batch) => [batch.upserts.length, batch.diagnostics.length]),
      [[2, 0]],
    );
  });

  test('to nothing: its objects go when that has stood', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': documents(A, B) });
    writeFileSync(folder.join('x.yaml'), '');
    await follower.until(() => follower.objects.size === 0);
  });

  test('after events that were lost: a rescan finds it', async () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('seen'));
    mkdirSync(folder.join('unseen/deep'), { recursive: true });
    writeFileSync(folder.join('unseen/deep/x.yaml'), A);
    // Only links are watched on the way, so a link in the middle of a path changes without an event.
    symlinkSync('deep', folder.join('unseen/link'));
    symlinkSync('../unseen/link/x.yaml', folder.join('seen/x.yaml'));
    await using follower = await ObjectFollower.start(new FolderSource(folder.join('seen'), { timing: { rescan: 50 } }));
    mkdirSync(folder.join('unseen/other'));
    writeFileSync(folder.join('unseen/other/x.yaml'), serviceYaml('a', 81));
    unlinkSync(folder.join('unseen/link'));
    symlinkSync('other', folder.join('unseen/link'));
    await follower.until(() => port(follower, 'a') === 81);
  });
});

describe('the last good state stands', () => {
  test('of an object whose new text is wrong', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': documents(A, B) });
    writeFileSync(folder.join('x.yaml'), documents(serviceYaml('a', 0), serviceYaml('b', 81)));
    await follower.until(() => port(follower, 'b') === 81);
    assert.equal(port(follower, 'a'), 80);
    assert.deepEqual(follower.codes, ['InvalidObject', 'LastGoodKept']);
    assert.equal(follower.locate({ kind: 'Service', namespace: 'default', name: 'a' }, ['spec', 'ports', 0, 'port'])?.line, 7);
    writeFileSync(folder.join('x.yaml'), documents(serviceYaml('a', 82), serviceYaml('b', 81)));
    await follower.until(() => port(follower, 'a') === 82);
    assert.deepEqual(follower.codes, []);
  });

  test('of objects that a document which cannot be parsed may hold', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': documents(A, B), 'y.yaml': serviceYaml('c') });
    writeFileSync(folder.join('x.yaml'), documents('apiVersion: v1\nkind: [\n', serviceYaml('b', 81)));
    await follower.until(() => port(follower, 'b') === 81);
    assert.deepEqual(follower.names, ['a', 'b', 'c']);
    assert.deepEqual(follower.codes, ['InvalidYaml', 'LastGoodKept']);
    writeFileSync(folder.join('x.yaml'), serviceYaml('b', 82));
    await follower.until(() => follower.names.length === 2);
    assert.deepEqual(follower.codes, []);
  });

  test('but not of an object that is right in another file by then', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': documents(A, B) });
    writeFileSync(folder.join('x.yaml'), documents(serviceYaml('a', 0), B));
    await follower.until(() => follower.codes.includes('LastGoodKept'));
    writeFileSync(folder.join('y.yaml'), serviceYaml('a', 83));
    await follower.until(() => port(follower, 'a') === 83);
    assert.deepEqual(follower.codes, ['InvalidObject']);
  });

  test('of a file that cannot be read', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': A, 'y.yaml': B });
    unlinkSync(folder.join('x.yaml'));
    symlinkSync('x.yaml', folder.join('x.yaml'));
    await follower.until(() => follower.codes.includes('FileUnreadable'));
    assert.deepEqual(follower.names, ['a', 'b']);
    unlinkSync(folder.join('x.yaml'));
    await follower.until(() => follower.names.length === 1);
    assert.deepEqual(follower.codes, []);
  });

  test('of a file whose disk fails', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': A });
    unlinkSync(folder.join('x.yaml'));
    symlinkSync('/proc/self/mem', folder.join('x.yaml'));
    await follower.until(() => follower.codes.includes('FileUnreadable'));
    assert.match(follower.diagnostics[0]?.message ?? '', /input\/output error/);
    assert.deepEqual(follower.names, ['a']);
  });
});

describe('the same object in two files', () => {
  test('the second takes over when the first goes', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': serviceYaml('a', 1), 'y.yaml': serviceYaml('a', 2) });
    assert.equal(port(follower, 'a'), 1);
    assert.deepEqual(follower.codes, ['DuplicateObject']);
    unlinkSync(folder.join('x.yaml'));
    await follower.until(() => port(follower, 'a') === 2);
    assert.deepEqual(follower.codes, []);
    assert.deepEqual(removed(follower), []);
  });

  test('an earlier file takes over when it comes', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'y.yaml': serviceYaml('a', 2) });
    writeFileSync(folder.join('x.yaml'), serviceYaml('a', 1));
    await follower.until(() => port(follower, 'a') === 1);
    assert.deepEqual(follower.codes, ['DuplicateObject']);
  });

  test('a file that is renamed is never twice there, nor gone', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder, { 'x.yaml': A });
    renameSync(folder.join('x.yaml'), folder.join('y.yaml'));
    writeFileSync(folder.join('z.yaml'), B);
    await follower.until(
      () =>
        follower.names.includes('b') &&
        follower.locate({ kind: 'Service', namespace: 'default', name: 'a' }, [])?.file.endsWith('y.yaml') === true,
    );
    assert.deepEqual(removed(follower), []);
    assert.deepEqual(
      follower.batches.flatMap((batch) => batch.diagnostics),
      [],
    );
  });
});

test('what happens while nobody takes a batch becomes one', async () => {
  using folder = new TemporaryFolder();
  const abort = new AbortController();
  const batches = new FolderSource(folder.path).watch(abort.signal);
  await batches.next();
  await using follower = await follow(folder, {});
  for (const number of Array(50).keys()) {
    writeFileSync(folder.join('x.yaml'), serviceYaml('a', number + 1));
    await follower.until(() => port(follower, 'a') === number + 1);
  }
  rmSync(folder.join('x.yaml'));
  await follower.until(() => follower.objects.size === 0);
  writeFileSync(folder.join('y.yaml'), B);
  let upserts = 0;
  for (let seen = false; !seen; ) {
    const { value } = await batches.next();
    upserts += value?.upserts.length ?? 0;
    seen = value?.upserts.some((object) => object.metadata.name === 'b') ?? true;
  }
  assert.ok(upserts <= 3, `${upserts} upserts`);
  abort.abort();
});

test('a folder that does not exist is an error at the start', async () => {
  using folder = new TemporaryFolder();
  const batches = new FolderSource(folder.join('absent')).watch(new AbortController().signal);
  await assert.rejects(batches.next(), (error) => error instanceof FolderError && error.code === 'NotFound');
});
