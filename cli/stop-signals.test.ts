import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { unlessAborted } from './stop-signals.ts';

const never = new Promise<never>(() => {});

test('what is awaited unless a signal is aborted leaves nothing with the signal', async () => {
  const { signal } = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve(1), signal), 1);
  await assert.rejects(unlessAborted(Promise.reject(new Error('no')), signal), { message: 'no' });
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a signal that is aborted, before or meanwhile, ends the wait', async () => {
  const over = new AbortController();
  const waiting = unlessAborted(never, over.signal);
  over.abort();
  assert.equal(await waiting, undefined);
  assert.equal(await unlessAborted(never, over.signal), undefined);
});
