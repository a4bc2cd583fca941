import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { EnvoyError } from '../envoy-error.ts';
import { EnvoyLosses } from './envoy-losses.ts';

const DROPPED = 'access_logs.grpc_access_log.logs_dropped';

/** What is counted as lost of what Envoy answers in turn; undefined where it does not. */
async function lostOf(answers: readonly (number | undefined)[]): Promise<bigint> {
  let asked = 0;
  let lost = 0n;
  const stats = async () => {
    const dropped = answers[Math.min(asked++, answers.length - 1)];
    if (dropped === undefined) throw new EnvoyError('admin-unreachable', 'it does not run');
    // A counter that was never touched is not there.
    return new Map(dropped === 0 ? [] : [[DROPPED, dropped]]);
  };
  const onLost = (count: bigint) => {
    lost += count;
  };
  using _losses = new EnvoyLosses({ admin: { stats }, onLost, onFailure: assert.ifError, everyMs: 1 });
  await eventually(() => assert.ok(asked > answers.length));
  return lost;
}

for (const [what, answers, lost] of [
  ['that runs already: what it drops from now on', [5, 5, 9], 4n],
  ['that is to start: all that it drops', [undefined, 5, 5, 9], 9n],
  ['that starts anew: what both drop', [0, 4, undefined, 0, 2, 2], 6n],
  ['that drops nothing', [0, undefined, 0], 0n],
] as const) {
  test(`of an Envoy ${what}`, async () => assert.equal(await lostOf(answers), lost));
}

test('what goes wrong with asking ends nobody, and is told of', async () => {
  let asked = 0;
  let lost = 0n;
  const failures: string[] = [];
  const stats = async () => {
    if (++asked === 1) throw new TypeError('what it says is nothing');
    return new Map([[DROPPED, asked]]);
  };
  const onLost = (count: bigint) => {
    lost += count;
  };
  using _losses = new EnvoyLosses({ admin: { stats }, onLost, onFailure: ({ message }) => failures.push(message), everyMs: 1 });
  await eventually(() => assert.ok(lost > 1n));
  assert.deepEqual(failures, ['what it says is nothing']);
});
