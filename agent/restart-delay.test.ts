import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestartDelay } from './restart-delay.ts';

test('doubles up to ten seconds, and begins anew after half a minute of health', () => {
  const delay = new RestartDelay();
  assert.deepEqual(
    Array.from({ length: 8 }, () => delay.next()),
    [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000],
  );
  delay.afterHealth(29_999);
  assert.equal(delay.next(), 10_000);
  delay.afterHealth(30_000);
  assert.equal(delay.next(), 250);
});
