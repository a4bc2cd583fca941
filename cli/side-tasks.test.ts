import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../testkit/eventually.ts';
import type { LogEntry } from './log.ts';
import { SideTasks } from './side-tasks.ts';

function scene() {
  const said: string[] = [];
  const log = ({ event, text }: LogEntry) => void said.push(`${event} ${text}`);
  return { said, tasks: new SideTasks({ log, retryMs: 1 }) };
}

function endedBy(end: () => void): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => end() };
}

describe('a task beside others', () => {
  test('that cannot begin is told of once for each reason, and tried until it can', async () => {
    const { said, tasks } = scene();
    let [tries, obstacle, ended] = [0, 'no file', false];
    await using cleanUp = new AsyncDisposableStack();
    const task = tasks.begin('export', async () => {
      tries++;
      if (obstacle !== '') throw new Error(obstacle);
      return endedBy(() => {
        ended = true;
      });
    });
    cleanUp.use(task);
    await task.tried;
    assert.deepEqual(tasks.failing(), [{ what: 'export', reason: 'no file' }]);
    await eventually(() => assert.ok(tries > 3));
    obstacle = 'half a file';
    await eventually(() => assert.deepEqual(tasks.failing(), [{ what: 'export', reason: 'half a file' }]));
    obstacle = '';
    await eventually(() => assert.deepEqual(tasks.failing(), []));
    assert.deepEqual(said, [
      'failing export: no file; trying again, all else goes on',
      'failing export: half a file; trying again, all else goes on',
      'recovered export: begun after all',
    ]);
    assert.equal(ended, false);
    await task[Symbol.asyncDispose]();
    assert.equal(ended, true);
  });

  test('that begins at once is told of by itself alone', async () => {
    const { said, tasks } = scene();
    await using task = tasks.begin('export', async () => undefined);
    await task.tried;
    assert.deepEqual([said, tasks.failing()], [[], []]);
  });

  test('that nobody wants any more is not tried again, and what begins meanwhile is ended', async () => {
    const { tasks, said } = scene();
    let tries = 0;
    const failing = tasks.begin('one', async () => {
      tries++;
      throw new Error('no');
    });
    await failing.tried;
    await failing[Symbol.asyncDispose]();
    const before = tries;
    const slow = Promise.withResolvers<AsyncDisposable>();
    const late = tasks.begin('other', () => slow.promise);
    let isEnded = false;
    const over = late[Symbol.asyncDispose]();
    slow.resolve(
      endedBy(() => {
        isEnded = true;
      }),
    );
    await over;
    assert.deepEqual([isEnded, tries, tasks.failing(), said.length], [true, before, [], 1]);
  });
});
