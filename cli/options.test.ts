import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliError } from './cli-error.ts';
import { flowsAddressOption, metricsAddressOption } from './options.ts';

const { coerce } = metricsAddressOption;

for (const [value, expected] of [
  ['', undefined],
  ['0.0.0.0:18020', { host: '0.0.0.0', port: 18_020 }],
  ['[::]:18020', { host: '::', port: 18_020 }],
  // As manifests put it together.
  ['fd00::7:18020', { host: 'fd00::7', port: 18_020 }],
] as const) {
  test(`metrics are told at ${JSON.stringify(value)}`, () => assert.deepEqual(coerce(value), expected));
}

for (const value of ['18020', 'localhost:18020', '1.2.3.4', '1.2.3.4:0', '1.2.3.4:65536', ':18020', '1.2.3.4:18020:1']) {
  test(`${value} is no address for metrics`, () => assert.throws(() => coerce(value), CliError));
}

test('flows are told at all addresses, or at one', () => {
  assert.deepEqual(['', '10.0.0.1', 'fd00::7'].map(flowsAddressOption.coerce), [undefined, '10.0.0.1', 'fd00::7']);
  for (const value of ['localhost', '10.0.0.1:4244', '[::]']) assert.throws(() => flowsAddressOption.coerce(value), CliError);
});
