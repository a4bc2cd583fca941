import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ApiClient, ApiError } from '../../kube/index.ts';
import { makeAuthority } from '../../pki/index.ts';
import { eventually } from '../../testkit/eventually.ts';
import { encodeAuthority } from './authority-state.ts';
import { ServingIdentity } from './serving-identity.ts';

const LIFETIME_MS = 20 * 60_000;
/** More than two thirds of the life of whatever is signed then are over. */
const AGE_MS = 15 * 60_000;
/** A little less than the shortest pause, as clocks are read. */
const PAUSE_MS = 450;

test('an authority that is nearly over is not asked for without pause', async () => {
  const since = new Date(Date.now() - AGE_MS);
  const state = { current: await makeAuthority({ lifetimeMs: LIFETIME_MS, now: since }), since };
  const data = Object.entries(encodeAuthority(state)).map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
  const asked: number[] = [];
  const client: ApiClient = {
    request: async () => {
      asked.push(performance.now());
      return { metadata: { resourceVersion: '1' }, type: 'sluice.io/ca', data: Object.fromEntries(data) };
    },
    stream: () => {
      throw new ApiError('not-found', 'nothing is watched');
    },
    close: async () => {},
  };
  const errors: unknown[] = [];
  {
    await using _serving = await ServingIdentity.open({ client, namespace: 'default', onError: (error) => errors.push(error) });
    await eventually(() => assert.ok(asked.length >= 4));
  }
  assert.deepEqual(errors, []);
  const pauses = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
  assert.ok(
    pauses.every((pause) => pause >= PAUSE_MS),
    pauses.join(),
  );
});
