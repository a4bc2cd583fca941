import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesLabels, type NodeSelector } from './node-selector.ts';

const LABELS = { 'kubernetes.io/os': 'linux', edge: '', zone: 'a' };

const CASES: readonly (readonly [selector: NodeSelector, matches: boolean])[] = [
  [{}, true],
  [{ matchLabels: { zone: 'a' } }, true],
  [{ matchLabels: { zone: 'b' } }, false],
  [{ matchLabels: { edge: '' } }, true],
  [{ matchLabels: { zone: 'a', rack: '1' } }, false],
  [{ matchLabels: { constructor: 'Object' } }, false],
  [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['b', 'a'] }] }, true],
  [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['b'] }] }, false],
  [{ matchExpressions: [{ key: 'rack', operator: 'In', values: ['b'] }] }, false],
  [{ matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] }, false],
  [{ matchExpressions: [{ key: 'rack', operator: 'NotIn', values: ['a'] }] }, true],
  [{ matchExpressions: [{ key: 'edge', operator: 'Exists' }] }, true],
  [{ matchExpressions: [{ key: 'toString', operator: 'Exists' }] }, false],
  [{ matchExpressions: [{ key: 'edge', operator: 'DoesNotExist' }] }, false],
  [{ matchLabels: { zone: 'a' }, matchExpressions: [{ key: 'rack', operator: 'DoesNotExist' }] }, true],
  [{ matchLabels: { zone: 'b' }, matchExpressions: [{ key: 'rack', operator: 'DoesNotExist' }] }, false],
];

for (const [selector, matches] of CASES) {
  test(`${JSON.stringify(selector)} ${matches ? 'matches' : 'does not match'}`, () =>
    assert.equal(matchesLabels(selector, LABELS), matches));
}
