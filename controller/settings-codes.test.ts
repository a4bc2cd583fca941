import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentedCodes } from '../testkit/documented-codes.ts';
import { SETTINGS_CODES } from './settings-codes.ts';

test('the codes stand in docs/diagnostics.md as they stand here', () => {
  assert.deepEqual(
    documentedCodes('Settings objects'),
    Object.entries(SETTINGS_CODES).map(([code, entry]) => ({ code, ...entry })),
  );
});
