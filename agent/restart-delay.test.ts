import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestartDelay } from './restart-delay.ts';

test('begins at once, doubles up to ten seconds, and begins anew after ten seconds of health', () => {
  const delay = new RestartDelay();
  assert.deepEqual(
    Array.from({ length: 9 }, () => delay.next()),
    [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000],
  );
  delay.afterHealth(9_999);
  assert.equal(delay.next(), 10_000);
  delay.afterHealth(10_000);
  assert.equal(delay.next(), 0);
});
