import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
/** Prints each module as it is loaded. */
const TELLS = `import { registerHooks } from 'node:module';
import { writeSync } from 'node:fs';
registerHooks({ load(url, context, next) { writeSync(2, url + '\\n'); return next(url, context); } });`;
/** What commands do their work with, which takes longer to load than a short command takes. */
const HEAVY = /\/(?:agent|bpf|controller|envoy-config|kube|policy|settings|xds-server|@bufbuild|@grpc|koffi|ws)\//;

for (const args of [['--version'], ['--help'], ['validate', '--help']]) {
  test(`sluice ${args.join(' ')} loads nothing that only other commands need`, () => {
    const tell = `data:text/javascript,${encodeURIComponent(TELLS)}`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', tell, MAIN, ...args], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.ok(stdout.length > 0);
    const loaded = stderr.split('\n');
    assert.ok(loaded.some((url) => url.endsWith('/cli/command-line.ts')));
    assert.deepEqual(
      loaded.filter((url) => HEAVY.test(url)),
      [],
    );
  });
}
