import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from '../testkit/eventually.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { commandLine, identifyProcess, isAlive, signalProcess } from './process-identity.ts';

test('a process is known by its start as well as by its number', async () => {
  using folder = new TemporaryFolder();
  // The name stands in the middle of what the kernel tells, and may look like the rest of it.
  const program = folder.join('a) Z 1 (b');
  copyFileSync('/bin/sleep', program);
  const child = spawn(program, ['600']);
  await once(child, 'spawn');
  const identity = identifyProcess(child.pid ?? 0);
  assert.ok(identity);
  assert.ok(isAlive(identity));
  assert.deepEqual(identifyProcess(identity.pid), identity);
  await eventually(() => assert.deepEqual(commandLine(identity.pid), [program, '600']));

  const another = { ...identity, startedAt: `${identity.startedAt}0` };
  assert.equal(isAlive(another), false);
  signalProcess(another, 'SIGKILL');
  assert.ok(isAlive(identity), 'a signal for another process does not reach it');

  signalProcess(identity, 'SIGKILL');
  await once(child, 'exit');
  assert.equal(isAlive(identity), false);
  assert.equal(identifyProcess(identity.pid), undefined);
  assert.deepEqual(commandLine(identity.pid), []);
  signalProcess(identity, 'SIGKILL');
});

test('a process that ended and was not collected by its parent does not live', async () => {
  // The shell starts a child, becomes a program that never waits for children, and so leaves it a zombie.
  const parent = spawn('/bin/sh', ['-c', 'true & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await once(parent.stdout, 'data');
  const pid = Number(String(output));
  await eventually(() => assert.equal(identifyProcess(pid), undefined));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
});
