import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closingLine, type FileResult, formatFile, formatSummary, PLAIN, TERMINAL } from './reporter.ts';

function result(overrides: Partial<FileResult> = {}): FileResult {
  return { file: 'model/route.test.ts', milliseconds: 1234, passed: 3, failures: [], skips: [], notes: [], output: '', ...overrides };
}

const failure = {
  path: ['routes', 'prefix'],
  place: 'model/route.test.ts:12',
  details: 'AssertionError: no\n    at x.ts:1\n\ncaused by why\n',
};
const skip = (name: string, reason: string) => ({ path: [name], place: 'model/route.test.ts:7', reason });

describe('formatFile', () => {
  test('is one line where all passed', () => {
    assert.equal(formatFile(result(), PLAIN), `ok   ${'model/route.test.ts'.padEnd(56)} 3 passed (1.2 s)\n`);
  });

  test('adds what the tests measured', () => {
    const text = formatFile(result({ notes: ['21,000 requests, 0 failed'] }), PLAIN);
    assert.equal(text.split('\n')[1], '     21,000 requests, 0 failed');
  });

  test('adds every failure in full, with its place', () => {
    assert.equal(
      formatFile(result({ failures: [failure], skips: [skip('a', 'b')], output: 'envoy: warming\n' }), PLAIN),
      [
        `FAIL ${'model/route.test.ts'.padEnd(56)} 3 passed, 1 failed, 1 skipped (1.2 s)`,
        '',
        '  routes > prefix',
        '  at model/route.test.ts:12',
        '    AssertionError: no',
        '        at x.ts:1',
        '',
        '    caused by why',
        '',
        '  the file printed:',
        '    envoy: warming',
        '',
        '',
      ].join('\n'),
    );
  });

  test('shows what the file printed only where it failed, and only the end of much', () => {
    const output = Array.from({ length: 250 }, (_, line) => `line ${line}\n`).join('');
    const printed = formatFile(result({ failures: [failure], output }), PLAIN);
    assert.ok(printed.includes('    (50 lines before)\n    line 50\n'), printed);
    assert.equal(formatFile(result({ output }), PLAIN).split('\n').length, 2);
  });

  test('colours the mark on a terminal', () => {
    assert.ok(formatFile(result(), TERMINAL).startsWith('\u001b[32mok  \u001b[0m model/'));
    assert.ok(formatFile(result({ failures: [failure] }), TERMINAL).startsWith('\u001b[31mFAIL\u001b[0m model/'));
  });
});

describe('formatSummary', () => {
  test('ends with the counts over all files', () => {
    const results = [result(), result({ passed: 4, failures: [failure] }), result({ passed: 0, skips: [skip('a', 'b'), skip('c', 'b')] })];
    assert.equal(closingLine(results), 'tests: 7 passed, 1 failed, 2 skipped');
    assert.equal(formatSummary(results, TERMINAL).trimEnd().split('\n').at(-1), 'tests: 7 passed, 1 failed, 2 skipped');
  });

  test('lists skips by reason and failures by name', () => {
    const results = [
      result({ skips: [skip('one', 'no IPv6'), skip('two', 'not root')] }),
      result({ skips: [skip('three', 'no IPv6')], failures: [failure] }),
    ];
    assert.equal(
      formatSummary(results, PLAIN),
      [
        '',
        'skipped:',
        '  no IPv6',
        '    model/route.test.ts:7  one',
        '    model/route.test.ts:7  three',
        '  not root',
        '    model/route.test.ts:7  two',
        '',
        'failed:',
        '  model/route.test.ts:12  routes > prefix',
        '',
        'tests: 6 passed, 1 failed, 3 skipped',
        '',
      ].join('\n'),
    );
  });
});
