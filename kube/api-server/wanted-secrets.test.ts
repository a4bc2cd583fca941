import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ManualClock } from '../../testkit/manual-clock.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError, type ApiErrorCode } from './api-error.ts';
import { WantedSecrets } from './wanted-secrets.ts';

const fails = (code: ApiErrorCode) => () => Promise.reject(new ApiError(code, code));
const gives = (name: string) => () => Promise.resolve({ metadata: { namespace: 'default', name } });

/** Wanted Secrets of a client that answers by name; a name that it does not know never gets an answer. */
class World {
  readonly clock = new ManualClock();
  readonly answers = new Map<string, () => Promise<unknown>>();
  readonly asked: string[] = [];
  readonly told: string[] = [];
  readonly secrets: WantedSecrets;

  constructor() {
    const client: ApiClient = {
      request: ({ path }) => {
        const name = path.slice(path.lastIndexOf('/') + 1);
        this.asked.push(name);
        return this.answers.get(name)?.() ?? new Promise(() => {});
      },
      stream: () => assert.fail('Secrets are not watched here'),
      close: async () => {},
    };
    const sink = {
      put: ({ name }: { readonly name: string }) => this.told.push(`put ${name}`),
      remove: (key: string) => this.told.push(`remove ${key}`),
      failed: ({ code }: ApiError) => this.told.push(`failed ${code}`),
      changed: () => {},
    };
    this.secrets = new WantedSecrets(client, sink, new AbortController().signal, this.clock);
  }

  async want(...names: readonly string[]): Promise<void> {
    for (const name of names) this.secrets.see(`default/${name}`);
    for (const name of names) this.secrets.want(`default/${name}`);
    for (let turn = 0; turn < 3; turn++) await setImmediate();
  }

  /** Lets so many seconds pass, one by one, each with the answers that come in it. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      await this.clock.pass(1_000);
      for (let turn = 0; turn < 3; turn++) await setImmediate();
    }
  }
}

describe('the Secrets that are wanted', () => {
  test('are got when both the wish and the metadata are there', async () => {
    const world = new World();
    world.answers.set('a', gives('a'));
    world.secrets.want('default/a');
    assert.deepEqual([world.asked, world.secrets.isComplete], [[], true]);
    await world.want('a');
    assert.deepEqual([world.told, world.secrets.isComplete], [['put a'], true]);
  });

  test('of a Secret that is forbidden it is told, nobody waits, and it is tried again', async () => {
    const world = new World();
    world.answers.set('a', fails('forbidden'));
    await world.want('a');
    assert.deepEqual([world.told, world.secrets.isComplete], [['failed forbidden'], true]);
    assert.equal(world.secrets.failing.get('default/a')?.code, 'forbidden');
    world.answers.set('a', gives('a'));
    await world.pass(30);
    assert.deepEqual(world.told, ['failed forbidden', 'put a']);
    assert.equal(world.secrets.failing.size, 0);
  });

  test('that a Secret goes between its metadata and its content is no error', async () => {
    const world = new World();
    world.answers.set('a', fails('not-found'));
    await world.want('a');
    world.secrets.gone('default/a');
    await world.pass(60);
    assert.deepEqual([world.told, world.asked, world.secrets.isComplete, world.secrets.failing.size], [[], ['a'], true, 0]);
  });

  test('are waited for ten seconds, and tried for ever', async () => {
    const world = new World();
    world.answers.set('a', fails('server-error'));
    await world.want('a');
    await world.pass(9);
    assert.equal(world.secrets.isComplete, false);
    await world.pass(1);
    assert.equal(world.secrets.isComplete, true);
    world.answers.set('a', gives('a'));
    await world.pass(31);
    assert.equal(world.told.at(-1), 'put a');
    assert.equal(world.secrets.failing.size, 0);
  });

  test('of which no answer comes are not waited for any longer either', async () => {
    const world = new World();
    await world.want('silent');
    await world.pass(10);
    assert.equal(world.secrets.isComplete, true);
  });

  test('that fail take no place from others', async () => {
    const world = new World();
    const failing = Array.from({ length: 20 }, (_, index) => `failing-${index}`);
    for (const name of failing) world.answers.set(name, fails('server-error'));
    world.answers.set('last', gives('last'));
    await world.want(...failing, 'last');
    await world.pass(1);
    assert.ok(world.told.includes('put last'));
  });

  test('keep their content while the next cannot be got, and lose it when they go', async () => {
    const world = new World();
    world.answers.set('a', gives('a'));
    await world.want('a');
    world.answers.set('a', fails('server-error'));
    world.secrets.see('default/a');
    await world.pass(1);
    assert.equal(world.told.includes('remove default/a'), false);
    world.secrets.gone('default/a');
    assert.equal(world.told.at(-1), 'remove default/a');
  });

  test('what comes of a Secret that nobody wants any more is dropped', async () => {
    const world = new World();
    const answer = Promise.withResolvers<unknown>();
    world.answers.set('a', () => answer.promise);
    await world.want('a');
    world.secrets.forget('default/a');
    answer.resolve({ metadata: { namespace: 'default', name: 'a' } });
    await world.pass(1);
    assert.deepEqual([world.told, world.secrets.isComplete], [[], true]);
  });
});
