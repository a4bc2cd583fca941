import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { eventually } from '../../testkit/eventually.ts';
import type { ApiClient, ApiRequest } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { ApiServerSource } from './api-server-source.ts';

const metadata = (name: string) => ({ name, namespace: 'default', uid: name, resourceVersion: '1' });

/** Of an API server that holds one Secret, whose content is given by `answer`, and where nothing ever changes. */
function clientOf(answer: () => Promise<unknown>): ApiClient {
  return {
    request: async ({ path }: ApiRequest) => {
      if (path.startsWith('/api/v1/namespaces/')) return await answer();
      const items = path.endsWith('/secrets') ? [{ metadata: metadata('a') }] : [];
      return { metadata: { resourceVersion: '1' }, items };
    },
    stream: async function* ({ signal }: ApiRequest) {
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    },
    close: async () => {},
  };
}

describe('a source of an API server', () => {
  test('a Secret that came but is in no batch yet is not known', async () => {
    const abort = new AbortController();
    const source = new ApiServerSource(clientOf(async () => ({ metadata: metadata('a'), data: { value: 'YQ==' } })));
    const batches = source.watch(abort.signal);
    assert.deepEqual((await batches.next()).value?.upserts, []);
    assert.equal(source.want(['default/a'], []), false);
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    assert.equal(source.want([], []), false);
    assert.equal((await batches.next()).value?.upserts[0]?.metadata.name, 'a');
    assert.equal(source.want([], []), true);
    abort.abort();
    assert.equal((await batches.next()).done, true);
  });

  test('a Secret that is refused is told of, holds nobody up, and is in the state until it comes', async () => {
    const abort = new AbortController();
    let answer = () => Promise.reject(new ApiError('forbidden', 'no'));
    const source = new ApiServerSource(clientOf(() => answer()));
    const stateOfSecrets = () => source.state().find(({ kind }) => kind === 'Secret')?.error?.code;
    const batches = source.watch(abort.signal);
    await batches.next();
    assert.equal(source.want(['default/a'], []), false);
    const refused = (await batches.next()).value;
    assert.deepEqual(refused?.diagnostics, [
      {
        severity: 'error',
        code: 'SecretUnreadable',
        message: 'cannot be read: no',
        path: [],
        object: { kind: 'Secret', namespace: 'default', name: 'a' },
      },
    ]);
    assert.deepEqual([source.want([], []), stateOfSecrets()], [true, 'forbidden']);
    answer = async () => assert.fail('it is not tried again so soon');
    source.want([], ['default/a']);
    await eventually(() => assert.equal(stateOfSecrets(), undefined));
    assert.deepEqual((await batches.next()).value?.diagnostics, []);
    abort.abort();
    assert.equal((await batches.next()).done, true);
  });

  test('ends at once where it is aborted before it began', async () => {
    const source = new ApiServerSource(clientOf(() => assert.fail('nothing is asked')));
    assert.equal((await source.watch(AbortSignal.abort()).next()).done, true);
    assert.deepEqual(source.state(), []);
  });

  test('Nodes are read while they are wanted, as metadata, and hold nothing else up', async () => {
    const abort = new AbortController();
    const asked: (string | undefined)[] = [];
    let answer: () => Promise<unknown> = () => Promise.reject(new ApiError('forbidden', 'no'));
    const client = clientOf(async () => ({}));
    const source = new ApiServerSource({
      ...client,
      request: (request) => {
        if (!request.path.endsWith('/nodes')) return client.request(request);
        asked.push(request.accept);
        return answer();
      },
    });
    const batches = source.watch(abort.signal);
    await batches.next();
    assert.deepEqual([source.wantNodes(false), source.state().some(({ kind }) => kind === 'Node'), asked], [false, false, []]);
    assert.equal(source.wantNodes(true), false);
    assert.deepEqual(
      (await batches.next()).value?.diagnostics.map(({ code }) => code),
      ['KindUnreadable'],
    );
    assert.equal(source.want([], []), true);
    answer = async () => ({ metadata: { resourceVersion: '1' }, items: [{ metadata: { name: 'n', uid: 'n', labels: { a: 'b' } } }] });
    const batch = (await batches.next()).value;
    assert.deepEqual([batch?.upserts[0]?.metadata.labels, batch?.diagnostics], [{ a: 'b' }, []]);
    assert.equal(source.wantNodes(true), true);
    assert.ok(asked.length >= 2 && asked.every((accept) => accept?.includes('PartialObjectMetadata')), asked.join());
    assert.equal(source.wantNodes(false), false);
    assert.deepEqual((await batches.next()).value?.removals, [{ kind: 'Node', namespace: '', name: 'n' }]);
    answer = async () => ({ metadata: { resourceVersion: '1' }, items: [] });
    assert.equal(source.wantNodes(true), false);
    assert.deepEqual((await batches.next()).value?.upserts, []);
    assert.equal(source.wantNodes(true), true);
    abort.abort();
    assert.equal((await batches.next()).done, true);
  });
});
