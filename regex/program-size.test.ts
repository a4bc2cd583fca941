import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { estimateProgramSize } from './program-size.ts';

for (const [pattern, size] of [
  ['', 0],
  ['/a[b-d]{3}', 5],
  ['(?:ab){2}\\x{2603}', 5],
  // None of these is one; what has no end is one piece.
  ['a[bc', 2],
  ['a[b\\', 2],
  ['\\x{1', 1],
] as const) {
  test(`${JSON.stringify(pattern)} is of ${size}`, () => assert.equal(estimateProgramSize(pattern), size));
}

// By any way whose time grows with the square of the length, each would take minutes.
for (const piece of ['[', '[[:a', '\\x{', '(?', '\\Q', '{1,', '[\\']) {
  test(`however many ${piece} there are, in no time`, { timeout: 20_000 }, async () => {
    assert.ok(Number.isSafeInteger(estimateProgramSize(piece.repeat(400_000))));
    // So that the time can be over.
    await setImmediate();
  });
}
