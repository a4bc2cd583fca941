import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { FileResult } from './reporter.ts';

const MODULE = new URL('run-file.ts', import.meta.url).href;
/** In a process of its own, since node:test does nothing when run from within a test. */
const RUNNER = `
  import { runFile } from '${MODULE}';
  const [file, root, options] = process.argv.slice(2);
  const { grep, ...timeouts } = JSON.parse(options);
  console.log(JSON.stringify(await runFile(file, { root, grep: grep && new RegExp(grep), ...timeouts })));
`;
const PRELUDE = "import { describe, test } from 'node:test';\nimport assert from 'node:assert/strict';\n";

describe('runFile', () => {
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'sluice-run-file-'));
    writeFileSync(join(root, 'runner.mjs'), RUNNER);
  });
  after(() => rmSync(root, { recursive: true }));

  async function runSource(
    source: string,
    options: { grep?: string; testTimeout?: number; fileTimeout?: number } = {},
  ): Promise<FileResult> {
    const file = join(root, 'x.test.ts');
    writeFileSync(file, PRELUDE + source);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const settings = JSON.stringify({ testTimeout: 60_000, fileTimeout: 60_000, ...options });
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'runner.mjs'), file, root, settings], { env });
    return JSON.parse(stdout);
  }

  const failures = (result: FileResult) => result.failures.map(({ path, place }) => [path.join(' > '), place]);

  test('counts tests, not suites', async () => {
    const result = await runSource("describe('s', () => { test('a', () => {}); test('b', () => {}); });");
    assert.equal(result.file, 'x.test.ts');
    assert.deepEqual([result.passed, result.failures, result.skips], [2, [], []]);
  });

  test('names a failed test with its suites and place, once, with its causes', async () => {
    const result = await runSource(`describe('s', () => {
      test('outer', async (t) => {
        await t.test('inner', () => { throw new Error('broken', { cause: new Error('because') }); });
      });
    });`);
    assert.deepEqual(failures(result), [['s > outer > inner', 'x.test.ts:5']]);
    assert.match(result.failures[0]?.details ?? '', /^Error: broken\n.*x\.test\.ts:5:.*\ncaused by Error: because\n/s);
  });

  test('shows the difference that an assertion found', async () => {
    const result = await runSource("test('a', () => assert.deepEqual({ b: 1 }, { b: 2 }));");
    assert.match(result.failures[0]?.details ?? '', /\+ {3}b: 1\n- {3}b: 2/);
  });

  test('keeps the reason of a skip, and fails where there is none', async () => {
    const result = await runSource("test('a', { skip: 'no IPv6' }, () => {});\ntest('b', { skip: true }, () => {});");
    assert.deepEqual(result.skips, [{ path: ['a'], place: 'x.test.ts:3', reason: 'no IPv6' }]);
    assert.deepEqual(failures(result), [['b', 'x.test.ts:4']]);
    assert.equal(result.passed, 0);
  });

  test('counts a skipped suite as one skip', async () => {
    const result = await runSource("describe('s', { skip: 'no Envoy' }, () => { test('a', () => {}); test('b', () => {}); });");
    assert.deepEqual([result.skips, result.failures], [[{ path: ['s'], place: 'x.test.ts:3', reason: 'no Envoy' }], []]);
  });

  test('keeps what a test says of itself', async () => {
    const result = await runSource("test('a', (t) => { t.diagnostic('21,000 requests'); });");
    assert.deepEqual(result.notes, ['21,000 requests']);
  });

  const broken = [
    { name: 'without tests', source: 'console.log(1);', output: /^1\n$/ },
    { name: 'that cannot be loaded', source: "throw new Error('at load');", output: /Error: at load/ },
    {
      name: 'that throws after its tests',
      source:
        "test('a', () => {}); setTimeout(() => { throw new Error('late'); }, 20); test('b', () => new Promise((r) => setTimeout(r, 200)));",
      output: /late/,
    },
  ];
  for (const { name, source, output } of broken) {
    test(`fails a file ${name}`, async () => {
      const result = await runSource(source);
      assert.deepEqual(failures(result), [['(the file itself)', 'x.test.ts:1']]);
      assert.match(result.output, output);
    });
  }

  test('fails a test that is still to do', async () => {
    const result = await runSource("test('a', { todo: true }, () => {});");
    assert.deepEqual(failures(result), [['a', 'x.test.ts:3']]);
  });

  test('fails a suite whose preparation fails', async () => {
    const result = await runSource(
      "import { before } from 'node:test'; describe('s', () => { before(() => { throw new Error('hook'); }); test('a', () => {}); });",
    );
    assert.equal(result.passed, 0);
    assert.ok(result.failures.some(({ details }) => /Error: hook/.test(details)));
  });

  test('fails a test that takes too long', async () => {
    const result = await runSource("test('a', (t) => new Promise((r) => t.signal.addEventListener('abort', r)));", { testTimeout: 200 });
    assert.deepEqual(failures(result), [['a', 'x.test.ts:3']]);
  });

  test('kills and fails a file that does not end', async () => {
    const result = await runSource("test('a', () => {}); setInterval(() => {}, 1000);", { fileTimeout: 3000 });
    assert.ok(result.failures.some(({ details }) => details === 'not finished after 3 s'));
  });

  test('runs only what grep chooses, and fails nothing where it chooses nothing', async () => {
    const source = "test('apple', () => {}); test('pear', () => { throw new Error(); });";
    assert.deepEqual([(await runSource(source, { grep: 'appl' })).passed, (await runSource(source, { grep: 'plum' })).failures], [1, []]);
  });
});
