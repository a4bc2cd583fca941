import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { documentedCodes } from '../../testkit/documented-codes.ts';
import { BALANCING_CODES } from './codes.ts';

describe('diagnostic codes of Services whose requests are balanced', () => {
  it('stand in docs/diagnostics.md as they stand here', () => {
    const table = Object.entries(BALANCING_CODES).map(([code, entry]) => ({ code, ...entry }));
    assert.deepEqual(documentedCodes('Services whose requests are balanced'), table);
  });
});
