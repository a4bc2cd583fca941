import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BpfError } from '../error.ts';
import { identifierOf } from './identifier.ts';

test('a name of C is one of TypeScript, and nothing else is', () => {
  for (const [name, expected] of [
    ['flow_key', 'flow_key'],
    ['_', '_'],
    ['delete', 'delete_'],
    ['maps', 'maps_'],
  ] as const) {
    assert.equal(identifierOf(name), expected);
  }
  for (const name of ['', '1', 'a-b', 'a b', 'a;process.exit()', '.bss', 'é', 'a\n'])
    assert.throws(() => identifierOf(name), BpfError, name);
});
