import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createProgress, formatDuration } from './progress.mjs';

function record(options: { quiet?: boolean; isTTY?: boolean } = {}) {
  let text = '';
  const stream = {
    isTTY: options.isTTY ?? false,
    write(chunk: string | Uint8Array) {
      text += chunk;
      return true;
    },
  };
  // Durations differ from run to run.
  return { progress: createProgress({ quiet: options.quiet ?? false, stream }), lines: () => text.replaceAll(/\(\d+ ms\)/g, '(N ms)') };
}

describe('createProgress', () => {
  test('a step that does something tells its phases on its line', async () => {
    const { progress, lines } = record();
    await progress.step('Envoy', (report) => {
      report('downloading');
      report('unpacking');
      return { changed: true, detail: '1.40.0' };
    });
    assert.equal(lines(), 'Envoy              downloading, unpacking, done: 1.40.0 (N ms)\n');
  });

  test('a step with nothing to do is said to be up to date, or left out when quiet', async () => {
    for (const [quiet, expected] of [
      [false, 'Node               up to date (N ms)\n'],
      [true, ''],
    ] as const) {
      const { progress, lines } = record({ quiet });
      await progress.step('Node', () => ({ changed: false }));
      assert.equal(lines(), expected);
    }
  });

  test('a step that throws is marked and the error passed on', async () => {
    const { progress, lines } = record({ quiet: true });
    const failing = progress.step('Node', () => {
      throw new Error('no');
    });
    await assert.rejects(failing, { message: 'no' });
    assert.equal(lines(), 'Node               failed (N ms)\n');
  });

  test('a terminal gets colours, unless NO_COLOR is set', async () => {
    const before = process.env['NO_COLOR'];
    try {
      for (const [noColor, expected] of [
        ['', 'Node               \u001b[32mdone\u001b[0m \u001b[2m(N ms)\u001b[0m\n'],
        ['1', 'Node               done (N ms)\n'],
      ] as const) {
        process.env['NO_COLOR'] = noColor;
        const { progress, lines } = record({ isTTY: true });
        await progress.step('Node', () => ({ changed: true }));
        assert.equal(lines(), expected);
      }
    } finally {
      if (before === undefined) delete process.env['NO_COLOR'];
      else process.env['NO_COLOR'] = before;
    }
  });
});

test('formatDuration', () => {
  for (const [milliseconds, text] of [
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [1000, '1.0 s'],
    [59_940, '59.9 s'],
    [59_960, '1 min 0 s'],
    [185_000, '3 min 5 s'],
    [119_800, '2 min 0 s'],
  ] as const) {
    assert.equal(formatDuration(milliseconds), text);
  }
});
