import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../../setup/commands.mjs';
import { needs } from '../../../testkit/capabilities.ts';

const MODULE = fileURLToPath(new URL('.', import.meta.url));

/** With the flags that the binary is built with, so that what is compiled already is used. */
function go(...args: readonly string[]): Promise<string> {
  return runCommand('go', args, {
    cwd: MODULE,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -trimpath -buildvcs=false' },
  });
}

describe('the Go module of the lab', needs('cluster'), () => {
  test('is formatted', async () => {
    assert.equal(await runCommand('gofmt', ['-l', '.'], { cwd: MODULE }), '');
  });

  test('passes its tests', async (t) => {
    const output = await go('test', '-vet=off', './...');
    const passed = output.split('\n').filter((line) => line.startsWith('ok'));
    t.diagnostic(`${passed.length} packages`);
    assert.ok(passed.length >= 6, output);
  });

  test('has nothing that vet finds', async () => {
    await go('vet', './...');
  });
});
