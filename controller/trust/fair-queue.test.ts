import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue } from './fair-queue.ts';

function drain(queue: FairQueue<number>): number[] {
  const taken: number[] = [];
  for (let item = queue.take(); item !== undefined; item = queue.take()) taken.push(item);
  return taken;
}

test('who asks for much waits no less, and who asks for little waits no more', () => {
  const queue = new FairQueue<number>();
  for (let item = 0; item < 5; item++) queue.put('flood', `flood-${item}`, item);
  queue.put('a', 'a-0', 10);
  queue.put('b', 'b-0', 20);
  queue.put('a', 'a-1', 11);
  assert.deepEqual(drain(queue), [0, 10, 20, 1, 11, 2, 3, 4]);
});

test('an item of the same name is replaced, and one that was removed is gone', () => {
  const queue = new FairQueue<number>();
  queue.put('a', 'one', 1);
  queue.put('a', 'two', 2);
  queue.put('a', 'one', 3);
  queue.put('b', 'four', 4);
  queue.remove('b', 'four');
  queue.remove('b', 'five');
  assert.deepEqual(drain(queue), [3, 2]);
});
