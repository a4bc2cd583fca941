import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedText } from './shared-text.ts';

test('all who ask at the same time share one reading, and who may have an old text has it', async () => {
  const answers: PromiseWithResolvers<string>[] = [];
  const text = new SharedText(() => {
    const answer = Promise.withResolvers<string>();
    answers.push(answer);
    return answer.promise;
  });
  const first = [text.get(), text.get(), text.get(60_000)];
  answers[0]?.resolve('a');
  assert.deepEqual(await Promise.all(first), ['a', 'a', 'a']);
  assert.equal(await text.get(60_000), 'a');
  assert.equal(answers.length, 1);
  const failing = text.get();
  answers[1]?.reject(new Error('away'));
  await assert.rejects(failing, /away/);
  const next = text.get();
  answers[2]?.resolve('b');
  assert.equal(await next, 'b');
});
