import assert from 'node:assert/strict';
import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { serviceYaml } from '../../testkit/manifests.ts';
import { ObjectFollower } from '../../testkit/object-follower.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { FolderSource, type FolderTiming } from './index.ts';

const A = serviceYaml('a');
const B = serviceYaml('b');

/** No rescan helps out. */
function follow(path: string, timing: Partial<FolderTiming> = {}): Promise<ObjectFollower> {
  return ObjectFollower.start(new FolderSource(path, { timing: { rescan: 3_600_000, ...timing } }));
}

function port(follower: ObjectFollower, name: string): number | undefined {
  const object = follower.get(`Service/default/${name}`);
  return object?.kind === 'Service' ? object.spec.ports[0]?.port : undefined;
}

function removed(follower: ObjectFollower): readonly string[] {
  return follower.batches.flatMap((batch) => batch.removals.map((ref) => ref.name));
}

describe('folders in the folder', () => {
  test('new ones are read, with what is made in them later', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder.path);
    mkdirSync(folder.join('one/two'), { recursive: true });
    writeFileSync(folder.join('one/two/a.yaml'), A);
    await follower.until(() => follower.names.includes('a'));
    writeFileSync(folder.join('one/two/b.yaml'), B);
    await follower.until(() => follower.names.includes('b'));
    writeFileSync(folder.join('one/c.yaml'), serviceYaml('c'));
    await follower.until(() => follower.names.includes('c'));
  });

  test('a folder named like a file is a folder', async () => {
    using folder = new TemporaryFolder();
    await using follower = await follow(folder.path);
    mkdirSync(folder.join('x.yaml'));
    writeFileSync(folder.join('x.yaml/a.yaml'), A);
    await follower.until(() => follower.names.includes('a'));
    assert.deepEqual(follower.codes, []);
  });

  test('a renamed one loses nothing, and is followed by its new name', async () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('old/deep'), { recursive: true });
    writeFileSync(folder.join('old/deep/a.yaml'), A);
    await using follower = await follow(folder.path);
    renameSync(folder.join('old'), folder.join('new'));
    const a = { kind: 'Service', namespace: 'default', name: 'a' };
    await follower.until(() => follower.batches.length > 1);
    assert.equal(follower.locate(a, [])?.file, folder.join('new/deep/a.yaml'));
    writeFileSync(folder.join('new/deep/a.yaml'), serviceYaml('a', 81));
    await follower.until(() => port(follower, 'a') === 81);
    assert.deepEqual(removed(follower), []);
  });

  test('a deleted one takes its objects with it', async () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('sub'));
    writeFileSync(folder.join('sub/a.yaml'), A);
    writeFileSync(folder.join('b.yaml'), B);
    await using follower = await follow(folder.path);
    rmSync(folder.join('sub'), { recursive: true });
    await follower.until(() => follower.names.length === 1);
    assert.deepEqual(follower.names, ['b']);
  });
});

describe('links', () => {
  test('a file behind a link is followed, in place and replaced', async () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('watched'));
    mkdirSync(folder.join('elsewhere'));
    writeFileSync(folder.join('elsewhere/real'), A);
    symlinkSync('../elsewhere/real', folder.join('watched/a.yaml'));
    await using follower = await follow(folder.join('watched'));
    writeFileSync(folder.join('elsewhere/real'), serviceYaml('a', 81));
    await follower.until(() => port(follower, 'a') === 81);
    writeFileSync(folder.join('elsewhere/other'), serviceYaml('a', 82));
    renameSync(folder.join('elsewhere/other'), folder.join('elsewhere/real'));
    await follower.until(() => port(follower, 'a') === 82);
  });

  test('a folder behind a link is followed, and so is the link', async () => {
    using folder = new TemporaryFolder();
    for (const [release, number] of [
      ['one', 81],
      ['two', 82],
    ] as const) {
      mkdirSync(folder.join('releases', release), { recursive: true });
      writeFileSync(folder.join('releases', release, 'a.yaml'), serviceYaml('a', number));
    }
    mkdirSync(folder.join('watched'));
    symlinkSync('../releases/one', folder.join('watched/current'));
    await using follower = await follow(folder.join('watched'));
    assert.equal(port(follower, 'a'), 81);
    writeFileSync(folder.join('releases/one/b.yaml'), B);
    await follower.until(() => follower.names.includes('b'));
    symlinkSync('../releases/two', folder.join('watched/next'));
    renameSync(folder.join('watched/next'), folder.join('watched/current'));
    await follower.until(() => port(follower, 'a') === 82 && !follower.names.includes('b'));
    writeFileSync(folder.join('releases/two/c.yaml'), serviceYaml('c'));
    await follower.until(() => follower.names.includes('c'));
    assert.deepEqual(removed(follower), ['b']);
  });

  test('a circle of links does not hinder', async () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('sub'));
    symlinkSync('..', folder.join('sub/up'));
    await using follower = await follow(folder.path);
    writeFileSync(folder.join('sub/a.yaml'), A);
    await follower.until(() => follower.names.includes('a'));
    assert.deepEqual(follower.codes, []);
  });

  test('the folder itself may be a link that is replaced', async () => {
    using folder = new TemporaryFolder();
    for (const [release, number] of [
      ['one', 81],
      ['two', 82],
    ] as const) {
      mkdirSync(folder.join(release));
      writeFileSync(folder.join(release, 'a.yaml'), serviceYaml('a', number));
    }
    symlinkSync('one', folder.join('current'));
    await using follower = await follow(folder.join('current'));
    symlinkSync('two', folder.join('next'));
    renameSync(folder.join('next'), folder.join('current'));
    await follower.until(() => port(follower, 'a') === 82);
    assert.deepEqual(removed(follower), []);
  });
});

/** A new state of a mounted ConfigMap, put in place as the kubelet does it. */
function mountConfigMap(mount: string, version: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(`${mount}/..${version}`, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(`${mount}/..${version}/${name}`, content);
  symlinkSync(`..${version}`, `${mount}/..data_tmp`);
  renameSync(`${mount}/..data_tmp`, `${mount}/..data`);
}

test('a mounted ConfigMap is followed', async () => {
  using folder = new TemporaryFolder();
  mountConfigMap(folder.path, '2024_1', { 'a.yaml': A, 'b.yaml': B });
  for (const name of ['a.yaml', 'b.yaml']) symlinkSync(`..data/${name}`, folder.join(name));
  await using follower = await follow(folder.path);
  assert.deepEqual(follower.codes, []);
  const b = follower.get('Service/default/b');

  for (const number of [81, 82, 83]) {
    mountConfigMap(folder.path, `2024_${number}`, { 'a.yaml': serviceYaml('a', number), 'b.yaml': B });
    await follower.until(() => port(follower, 'a') === number);
  }
  assert.equal(follower.get('Service/default/b'), b);

  symlinkSync('..data/c.yaml', folder.join('c.yaml'));
  mountConfigMap(folder.path, '2024_9', { 'b.yaml': B, 'c.yaml': serviceYaml('c') });
  unlinkSync(folder.join('a.yaml'));
  await follower.until(() => follower.names.join() === 'b,c');
  assert.deepEqual(removed(follower), ['a']);
});

describe('the folder goes and comes back', () => {
  test('everything stays while it is gone, and what changed is taken up', async () => {
    using folder = new TemporaryFolder();
    const root = folder.join('deep/root');
    mkdirSync(`${root}/sub`, { recursive: true });
    writeFileSync(`${root}/a.yaml`, A);
    writeFileSync(`${root}/sub/b.yaml`, B);
    await using follower = await follow(root, { comeback: 2000 });
    rmSync(folder.join('deep'), { recursive: true });
    await follower.until(() => follower.codes.includes('FolderMissing'));
    assert.deepEqual(follower.names, ['a', 'b']);

    mkdirSync(`${root}/sub`, { recursive: true });
    writeFileSync(`${root}/sub/b.yaml`, serviceYaml('b', 81));
    await follower.until(() => port(follower, 'b') === 81);
    await sleep(400);
    writeFileSync(`${root}/c.yaml`, serviceYaml('c'));
    await follower.until(() => follower.names.includes('c'));
    assert.deepEqual(follower.names, ['a', 'b', 'c']);
    assert.deepEqual(follower.codes, []);
    await follower.until(() => !follower.names.includes('a'));
    assert.deepEqual(removed(follower), ['a']);
  });

  test('nothing is lost where it is moved away and a copy takes its place', async () => {
    using folder = new TemporaryFolder();
    const root = folder.join('root');
    mkdirSync(root);
    for (const number of Array(100).keys()) writeFileSync(`${root}/${number}.yaml`, serviceYaml(`s${number}`));
    await using follower = await follow(root);
    renameSync(root, folder.join('away'));
    await follower.until(() => follower.codes.includes('FolderMissing'));
    cpSync(folder.join('away'), root, { recursive: true });
    writeFileSync(`${root}/new.yaml`, A);
    await follower.until(() => follower.names.includes('a') && follower.codes.length === 0);
    assert.equal(follower.objects.size, 101);
    assert.deepEqual(removed(follower), []);
  });
});

test('of more files at once than the kernel has events for, none is missed', async () => {
  using folder = new TemporaryFolder();
  await using follower = await follow(folder.path);
  for (const number of Array(9000).keys()) writeFileSync(folder.join(`${number}.yaml`), serviceYaml(`s${number}`));
  await follower.until(() => follower.objects.size === 9000);
  assert.deepEqual(removed(follower), []);
});
