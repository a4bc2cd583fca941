import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkBpfFileSystem, checkEnvoy, checkKernel, checkMachine, checkOpenFiles } from './machine.ts';

const LIMITS = (soft: string, hard: string) =>
  `Limit                     Soft Limit  Hard Limit  Units\nMax open files            ${soft}        ${hard}     files\n`;

test('kernels from 5.10 on have what will be needed', () => {
  for (const [release, result] of [
    ['4.19.0-26-amd64', 'warning'],
    ['5.9.1', 'warning'],
    ['5.10.0', 'ok'],
    ['6.1.0-18-cloud-amd64', 'ok'],
  ] as const) {
    assert.equal(checkKernel(release).result, result, release);
  }
});

test('limits of open files', () => {
  for (const [hard, result] of [
    ['4096', 'warning'],
    ['65536', 'ok'],
    ['unlimited', 'ok'],
  ] as const) {
    assert.equal(checkOpenFiles(LIMITS('1024', hard)).result, result, hard);
  }
  assert.equal(checkOpenFiles('').result, 'warning');
});

test('the BPF file system is found wherever it is mounted', () => {
  assert.equal(checkBpfFileSystem('bpf /run/bpf bpf rw 0 0\n').found, 'mounted at /run/bpf');
  assert.equal(checkBpfFileSystem('proc /proc proc rw 0 0\n').result, 'warning');
});

test('only the Envoy that Sluice is made for will do', () => {
  assert.equal(checkEnvoy('/e', '1.40.0', { is: '1.40.0' }).result, 'ok');
  assert.equal(checkEnvoy('/e', '1.40.0', { is: '1.39.0' }).result, 'failed');
  assert.equal(checkEnvoy('/e', '1.40.0', { problem: 'cannot run' }).found, 'cannot run');
});

test('a machine of which nothing can be read gives advice, and no failure', () => {
  const results = checkMachine({ kernelRelease: '6.1.0', memoryMb: 256, read: () => undefined, exists: () => false });
  assert.equal(results.length, 6);
  assert.deepEqual(
    results.filter(({ result }) => result !== 'ok').map(({ name }) => name),
    ['btf', 'bpf-file-system', 'open-files', 'inotify', 'memory'],
  );
  for (const { result, todo } of results) assert.equal(todo === undefined, result === 'ok');
});
