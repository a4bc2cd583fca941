import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readOptions, runCyclonusSuite, USAGE } from './main.ts';

async function run(...args: readonly string[]): Promise<{ code: number; out: string; error: string }> {
  let out = '';
  let error = '';
  const code = await runCyclonusSuite(args, {
    out: (text) => {
      out += text;
    },
    error: (text) => {
      error += text;
    },
  });
  return { code, out, error };
}

describe('the options', () => {
  test('leave nothing out where there are none', () => {
    assert.deepEqual(readOptions([]), {
      include: [],
      exclude: [],
      destination: 'service-name',
      withinMs: undefined,
      report: undefined,
      transcript: undefined,
    });
  });

  test('are all read', () => {
    const args = [
      '--include',
      'ingress,egress',
      '--exclude',
      'end-port',
      '--destination',
      'service-ip',
      '--within',
      '1.5',
      '--report',
      'reports',
      '--transcript',
      'all.log',
    ];
    assert.deepEqual(readOptions(args), {
      include: ['ingress', 'egress'],
      exclude: ['end-port'],
      destination: 'service-ip',
      withinMs: 90_000,
      report: 'reports',
      transcript: 'all.log',
    });
  });

  for (const [args, expected] of [
    [['--destination', 'pod'], /--destination must be one of service-name, service-ip, pod-ip/],
    [['--within', 'soon'], /--within must be a number of minutes/],
    [['--within', '0'], /--within must be a number of minutes/],
    [['--unknown'], /Unknown option '--unknown'/],
  ] as const) {
    test(`${args.join(' ')} is wrong usage`, async () => {
      const { code, error } = await run(...args);
      assert.equal(code, 2);
      assert.match(error, expected);
    });
  }

  test('--help explains', async () => {
    assert.deepEqual(await run('--help'), { code: 0, out: `${USAGE}\n`, error: '' });
  });
});
