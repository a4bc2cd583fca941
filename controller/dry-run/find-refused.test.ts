import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRefused } from './find-refused.ts';

for (const count of [1, 2, 3, 7, 400]) {
  for (const bad of new Set([0, Math.floor(count / 2), count - 1])) {
    test(`item ${bad} of ${count} is found, by asking as often as ${count} can be halved`, async () => {
      const asked: number[] = [];
      const objectionTo = async (items: readonly number[]) => {
        asked.push(items.length);
        return items.includes(bad) ? `${bad} is bad` : undefined;
      };
      const items = Array.from({ length: count }, (_, index) => index);
      assert.deepEqual(await findRefused(items, `${bad} is bad`, objectionTo), { item: bad, words: `${bad} is bad` });
      assert.ok(asked.length <= Math.ceil(Math.log2(count)), `asked ${asked.length} times`);
    });
  }
}
