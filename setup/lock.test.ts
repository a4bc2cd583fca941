import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { acquireLock } from './lock.mjs';

const MODULE = new URL('lock.mjs', import.meta.url).href;
const PROCESSES = 6;

/** Writes its number when it has the lock, and again before it lets go. */
const HOLDER = `
  import { appendFileSync } from 'node:fs';
  import { setTimeout } from 'node:timers/promises';
  import { acquireLock } from '${MODULE}';
  const [lock, log, number] = process.argv.slice(1);
  const { release } = await acquireLock(lock, () => {});
  appendFileSync(log, number + ' ');
  await setTimeout(20);
  appendFileSync(log, number + ' ');
  release();
`;

describe('acquireLock', () => {
  let folder = '';
  let lock = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-lock-'));
    lock = join(folder, 'lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('lets one process in at a time, also when all find the lock of a dead one', async () => {
    writeFileSync(lock, await deadHolder());
    const log = join(folder, 'log');
    const run = promisify(execFile);
    const hold = (number: number) => run(process.execPath, ['--input-type=module', '-e', HOLDER, lock, log, String(number)]);
    await Promise.all(Array.from({ length: PROCESSES }, (_, number) => hold(number)));
    const entries = readFileSync(log, 'utf8').trim().split(' ');
    assert.equal(entries.length, 2 * PROCESSES);
    for (let index = 0; index < entries.length; index += 2) assert.equal(entries[index], entries[index + 1]);
    assert.equal(existsSync(lock), false);
  });

  test('says once for whom it waits', async () => {
    const { release } = await acquireLock(lock, () => assert.fail('nobody holds it'));
    const waited: number[] = [];
    const second = acquireLock(lock, (pid) => {
      waited.push(pid);
      setTimeout(release, 250);
    });
    (await second).release();
    assert.deepEqual(waited, [process.pid]);
  });

  test('waits for what a killed holder had started', async () => {
    const child = spawn('sleep', ['60']);
    assert.ok(child.pid);
    const { release, share } = await acquireLock(lock, () => assert.fail('nobody holds it'));
    share(child.pid);
    const [, shared] = readFileSync(lock, 'utf8').split('\n');
    release();
    writeFileSync(lock, `${await deadHolder()}\n${shared}`);
    const waited: number[] = [];
    const next = await acquireLock(lock, (pid) => {
      waited.push(pid);
      child.kill();
    });
    next.release();
    assert.deepEqual(waited, [child.pid]);
  });

  test('takes over from a process whose identifier is now that of another', async () => {
    writeFileSync(lock, `${process.pid} 1`);
    const { release } = await acquireLock(lock, () => assert.fail('its holder is gone'));
    release();
    release();
    assert.equal(existsSync(lock), false);
  });
});

async function deadHolder(): Promise<string> {
  const child = spawn('true');
  await once(child, 'exit');
  return `${child.pid} 12345`;
}
