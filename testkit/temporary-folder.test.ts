import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from './eventually.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const MODULE = new URL('./temporary-folder.ts', import.meta.url).href;

test('a folder goes, and with it every process that was started in its name', async () => {
  let path: string;
  let child: ChildProcess;
  {
    using folder = new TemporaryFolder();
    path = folder.path;
    writeFileSync(folder.join('file'), 'content');
    child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)', folder.join('file')], { stdio: 'ignore' });
    await once(child, 'spawn');
  }
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
  assert.equal(existsSync(path), false);
});

test('a process that is ended in the middle of a test clears away too', async () => {
  const script = `
    const { TemporaryFolder } = await import(${JSON.stringify(MODULE)});
    console.log(new TemporaryFolder().path);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await once(child.stdout, 'data');
  const path = String(output).trim();
  assert.ok(existsSync(path));
  child.kill('SIGTERM');
  await once(child, 'exit');
  await eventually(() => assert.equal(existsSync(path), false));
});
