import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { StateFolder } from './index.ts';
import { identifyProcess } from './process-identity.ts';

const MODULE = new URL('./state-folder.ts', import.meta.url).href;

/** Another process that takes the folder and keeps it until it is killed. */
async function holdInAnotherProcess(path: string) {
  const script = `
    const { StateFolder } = await import(${JSON.stringify(MODULE)});
    StateFolder.open(${JSON.stringify(path)});
    console.log('taken');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

test('a folder is for one Sluice: the second is told which process holds it', async () => {
  using folder = new TemporaryFolder();
  const path = folder.join('state');
  const holder = await holdInAnotherProcess(path);
  const { pid } = holder;
  const message = `the state folder ${path} is in use by another Sluice (pid ${pid})`;
  assert.throws(() => StateFolder.open(path), { name: 'StateFolderError', code: 'in-use', holder: pid, message });
  mkdirSync(folder.join('elsewhere'));
  symlinkSync(path, folder.join('elsewhere/link'));
  assert.throws(() => StateFolder.open(folder.join('elsewhere/link')), { code: 'in-use', holder: pid });

  holder.kill('SIGKILL');
  await once(holder, 'exit');
  using taken = StateFolder.open(path);
  assert.equal(readdirSync(path).filter((name) => name.startsWith('lock.')).length, 1, 'the lock of the dead is cleared away');
  assert.throws(() => StateFolder.open(path), { code: 'in-use', holder: process.pid });
  taken.release();
  StateFolder.open(path).release();
});

test('a lock of a process id that now belongs to another process does not count', () => {
  using folder = new TemporaryFolder();
  const path = folder.join('state');
  mkdirSync(path);
  writeFileSync(folder.join('state', `lock.${process.ppid}.another-boot-123`), '');
  StateFolder.open(path).release();
});

test('the folder is for its owner, and a socket left behind is not in the way', () => {
  using folder = new TemporaryFolder();
  const path = folder.join('deep/state');
  mkdirSync(path, { recursive: true, mode: 0o700 });
  writeFileSync(folder.join('deep/state/xds.sock'), '');
  writeFileSync(folder.join('deep/state/admin.sock'), '');
  using state = StateFolder.open(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
  assert.equal(existsSync(state.xdsSocket), false);
  assert.equal(existsSync(state.adminSocket), true, 'it may be that of the Envoy to adopt');
});

test('an Envoy that is remembered is found, unless it has ended or the record is illegible', () => {
  using folder = new TemporaryFolder();
  using state = StateFolder.open(folder.join('state'));
  assert.equal(state.findEnvoy(), undefined);
  const self = identifyProcess(process.pid);
  assert.ok(self);
  const record = { ...self, version: '1.2.3', fingerprint: 'abc', logOffset: 5 };
  state.rememberEnvoy(record);
  assert.deepEqual(state.findEnvoy(), record);
  for (const illegible of ['', '{"pid":12}', '[]', '{"pid":']) {
    writeFileSync(folder.join('state/envoy.json'), illegible);
    assert.equal(state.findEnvoy(), undefined, illegible);
  }
  state.rememberEnvoy({ ...record, startedAt: 'long-ago' });
  assert.equal(state.findEnvoy(), undefined);
  state.forgetEnvoy();
  assert.equal(existsSync(folder.join('state/envoy.json')), false);
});

test('a path too long for Unix sockets', () => {
  using folder = new TemporaryFolder();
  const message = /^the path of the state folder is too long: .*\/admin\.sock has 1\d\d bytes, a Unix socket may have 107$/;
  assert.throws(() => StateFolder.open(folder.join('x'.repeat(100))), { name: 'StateFolderError', code: 'path-too-long', message });
});

test('a path where no folder can be', () => {
  using folder = new TemporaryFolder();
  writeFileSync(folder.join('file'), '');
  const message = /^cannot make the state folder .*\/file\/state: ENOTDIR/;
  assert.throws(() => StateFolder.open(folder.join('file/state')), { name: 'StateFolderError', code: 'not-writable', message });
});
