import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  BpfError,
  createMap,
  FolderLock,
  type LoadedObject,
  listDevices,
  listDisciplines,
  listFilters,
  listLinkedPrograms,
  MapType,
  ObjectSpec,
  openMap,
  removeUnusedHook,
  TcFilter,
  u32,
} from './index.ts';
import { CompiledPrograms, loads } from './testing/compiled-programs.ts';
import { enterOwnNamespaces } from './testing/own-namespaces.ts';

enterOwnNamespaces();

const LOOPBACK = 1;
const PLACE = { ifindex: LOOPBACK, direction: 'egress', priority: 3, handle: 0x77 } as const;

function codeOf(code: string): (error: unknown) => boolean {
  return (error) => error instanceof BpfError && error.code === code;
}

describe('devices', loads(), () => {
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

  const disciplines = () => execFileSync('tc', ['qdisc', 'show', 'dev', 'lo'], { encoding: 'utf8' });

  test('are listed with their filters', () => {
    assert.ok(listDevices().includes(LOOPBACK));
    assert.deepEqual(listFilters(PLACE), []);
    assert.equal(listDisciplines(LOOPBACK).includes('clsact'), false);
    using _filter = object.program('drop_none').attachToDevice(PLACE);
    assert.ok(listDisciplines(LOOPBACK).includes('clsact'));
    assert.deepEqual(listDisciplines(9_999), []);
    const [found, ...others] = listFilters(PLACE);
    assert.deepEqual(others, []);
    assert.equal(found?.kind, 'bpf');
    assert.equal(found.priority, PLACE.priority);
    assert.equal(found.handle, PLACE.handle);
    assert.match(found.name ?? '', /^drop_none/);
    assert.ok((found.programId ?? 0) > 0);
    assert.deepEqual(listFilters({ ...PLACE, direction: 'ingress' }), []);
    assert.deepEqual(listLinkedPrograms(PLACE), []);
  });

  test('that are not there have none', () => {
    assert.deepEqual(listFilters({ ifindex: 9_999, direction: 'ingress' }), []);
    assert.throws(() => listLinkedPrograms({ ifindex: 9_999, direction: 'ingress' }), codeOf('netlink-failed'));
  });

  test('keep a filter of a process before this one, which is found', () => {
    object.program('drop_none').attachToDevice(PLACE);
    const found = TcFilter.find(PLACE);
    assert.equal(found?.isAttached, true);
    found[Symbol.dispose]();
    assert.equal(TcFilter.find(PLACE), undefined);
  });

  test('are as they were once there is no filter any more, and not before', () => {
    const first = object.program('drop_none').attachToDevice(PLACE);
    const second = object.program('drop_none').attachToDevice({ ...PLACE, direction: 'ingress' });
    first[Symbol.dispose]();
    removeUnusedHook(LOOPBACK);
    assert.equal(second.isAttached, true);
    second[Symbol.dispose]();
    removeUnusedHook(LOOPBACK);
    assert.doesNotMatch(disciplines(), /clsact/);
  });
});

describe('what outlives a process', loads(), () => {
  test('a map that belongs to no object is pinned, and known by its number', () => {
    using map = createMap({ type: MapType.hash, maxEntries: 4 }, u32, u32);
    map.set(1, 2);
    map.pin('/sys/fs/bpf/alone');
    using opened = openMap('/sys/fs/bpf/alone', u32, u32);
    assert.equal(opened.get(1), 2);
    assert.equal(opened.id, map.id);
    assert.ok(map.id > 0);
    assert.throws(() => map.pin('/sys/fs/bpf/alone'), codeOf('map-failed'));
  });

  test('a folder is locked by one at a time', () => {
    const folder = '/sys/fs/bpf/locked';
    mkdirSync(folder);
    const lock = new FolderLock(folder);
    assert.throws(() => new FolderLock(folder), codeOf('locked'));
    lock[Symbol.dispose]();
    lock[Symbol.dispose]();
    using again = new FolderLock(folder);
    assert.ok(again && existsSync(folder));
    assert.throws(() => new FolderLock('/sys/fs/bpf/missing'), { code: 'ENOENT' });
  });
});
