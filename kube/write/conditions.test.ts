import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition } from '../views/sluice-settings.ts';
import { mergeConditions } from './conditions.ts';

const BEFORE = '2026-01-01T00:00:00Z';
const NOW = new Date('2026-02-03T04:05:06.789Z');

function condition(status: Condition['status'], message = ''): Omit<Condition, 'lastTransitionTime'> {
  return { type: 'Accepted', status, reason: 'Because', message, observedGeneration: 2 };
}

const CASES: readonly (readonly [what: string, before: Condition['status'] | undefined, after: string])[] = [
  ['a new condition holds from now on, in whole seconds', undefined, '2026-02-03T04:05:06Z'],
  ['a status that stays keeps its time, whatever else changes', 'True', BEFORE],
  ['a status that changes changes now', 'False', '2026-02-03T04:05:06Z'],
];
for (const [what, before, after] of CASES) {
  test(what, () => {
    const present = before === undefined ? [] : [{ ...condition(before), lastTransitionTime: BEFORE, observedGeneration: 1 }];
    assert.deepEqual(mergeConditions(present, [condition('True', 'new')], NOW), [
      { ...condition('True', 'new'), lastTransitionTime: after },
    ]);
  });
}
