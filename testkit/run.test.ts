import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const RUN = fileURLToPath(new URL('run.ts', import.meta.url));
const PASSES = "import { test } from 'node:test';\ntest('apple', () => {});\ntest('pear', () => {});\n";
const OF_ITS_KIND = "import { test } from 'node:test';\ntest('quince', () => {});\n";
const FAILS = "import { test } from 'node:test';\ntest('plum', () => { throw new Error('rotten'); });\n";
const SKIPS = "import { test } from 'node:test';\ntest('fig', { skip: 'no figs' }, () => {});\n";

describe('npm test', () => {
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'sluice-run-'));
    const files = { 'good/a.test.ts': PASSES, 'bad/b.test.ts': FAILS, 'bad/testdata/c.test.ts': FAILS, 'some/d.test.ts': SKIPS };
    for (const kind of ['usual.test.ts', 'of-a.cluster.test.ts', 'that-is.long.test.ts'])
      Object.assign(files, { [`kinds/${kind}`]: OF_ITS_KIND });
    for (const [path, source] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), source);
    }
  });
  after(() => rmSync(root, { recursive: true }));

  function run(args: readonly string[], extra: NodeJS.ProcessEnv = {}) {
    const { NODE_TEST_CONTEXT: _, SLUICE_REQUIRE: __, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args], {
      cwd: root,
      encoding: 'utf8',
      env: { ...env, ...extra },
    });
    return { status, stdout, stderr, last: stdout.trimEnd().split('\n').at(-1) };
  }

  for (const { name, args, status, last } of [
    { name: 'succeeds where what is chosen passes', args: ['good/'], status: 0, last: 'tests: 2 passed, 0 failed, 0 skipped' },
    { name: 'fails where anything fails', args: ['good', 'bad', 'some'], status: 1, last: 'tests: 2 passed, 1 failed, 1 skipped' },
    { name: 'runs the tests that grep chooses', args: ['--grep', 'apple|plum'], status: 1, last: 'tests: 1 passed, 1 failed, 0 skipped' },
    { name: 'fails where no test was run', args: ['nowhere'], status: 1, last: 'tests: 0 passed, 1 failed, 0 skipped' },
    { name: 'fails where every test was skipped', args: ['some'], status: 1, last: 'tests: 0 passed, 1 failed, 1 skipped' },
  ]) {
    test(`${name}, and closes with the counts`, () => {
      const result = run(args);
      assert.deepEqual([result.last, result.status], [last, status], result.stdout + result.stderr);
    });
  }

  for (const { args, files } of [
    { args: ['kinds'], files: ['usual.test.ts'] },
    { args: ['--cluster', 'kinds'], files: ['of-a.cluster.test.ts', 'that-is.long.test.ts'] },
  ]) {
    test(`runs ${files.join(' and ')} where asked for ${args.join(' ')}`, () => {
      const ran = run(args).stdout.matchAll(/^ok +kinds\/(\S+)/gm);
      assert.deepEqual(
        [...ran].map(([, file]) => file),
        files,
      );
    });
  }

  test('tells a failure in full and the reason of a skip', () => {
    const { stdout } = run(['bad', 'some']);
    for (const part of ['at bad/b.test.ts:2', 'Error: rotten', 'no figs', 'some/d.test.ts:2  fig'])
      assert.ok(stdout.includes(part), stdout);
  });

  for (const { name, args, env, message } of [
    { name: 'an option that it does not know', args: ['--fast'], env: {}, message: /--fast/ },
    { name: 'a pattern that is none', args: ['--grep', '('], env: {}, message: /regular expression/i },
    { name: 'a required capability that does not exist', args: ['good'], env: { SLUICE_REQUIRE: 'ipv7' }, message: /no capability "ipv7"/ },
  ]) {
    test(`refuses ${name}`, () => {
      const { status, stderr } = run(args, env);
      assert.equal(status, 2);
      assert.match(stderr, message);
      assert.match(stderr, /usage: npm test/);
    });
  }
});
