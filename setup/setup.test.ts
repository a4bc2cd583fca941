import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.mjs', import.meta.url));

test('the set-up explains itself and refuses arguments that it does not know, before it does anything', () => {
  for (const { args, status, output } of [
    { args: ['--help'], status: 0, output: /^usage: npm run setup/ },
    { args: ['--fast'], status: 2, output: /--fast.+usage: npm run setup/s },
    { args: ['--with', 'everything'], status: 2, output: /unknown --with everything\nusage/ },
    { args: ['now'], status: 2, output: /now.+usage/s },
  ]) {
    const result = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
    assert.equal(result.status, status);
    assert.match(result.stdout + result.stderr, output);
  }
});
