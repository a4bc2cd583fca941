import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../testkit/eventually.ts';
import { EnvoyError } from '../envoy-error.ts';
import { EnvoyLosses } from './envoy-losses.ts';

const DROPPED = 'access_logs.grpc_access_log.logs_dropped';

const INFO = { version: '1.40.0', state: 'LIVE', uptimeSeconds: 100, workers: 1 } as const;

/** @param startedAt seconds since 1970 */
function infoOf(startedAt: number) {
  return { ...INFO, uptimeSeconds: Math.floor(Date.now() / 1_000) - startedAt };
}

/** How many it has dropped, and since when it runs, in seconds since 1970; default: 1,000. */
type Answered = number | readonly [dropped: number, startedAt: number];

/** What is counted as lost of what Envoy answers in turn; undefined where it does not. */
async function lostOf(answers: readonly (Answered | undefined)[]): Promise<bigint> {
  let asked = 0;
  let lost = 0n;
  let dropped = 0;
  const serverInfo = async () => {
    const answer = answers[Math.min(asked++, answers.length - 1)];
    if (answer === undefined) throw new EnvoyError('admin-unreachable', 'it does not run');
    const [count, startedAt] = typeof answer === 'number' ? [answer, 1_000] : answer;
    dropped = count;
    return infoOf(startedAt);
  };
  const stats = async () => {
    // A counter that was never touched is not there.
    return new Map(dropped === 0 ? [] : [[DROPPED, dropped]]);
  };
  const onLost = (count: bigint) => {
    lost += count;
  };
  using _losses = new EnvoyLosses({ admin: { stats, serverInfo }, onLost, onFailure: assert.ifError, everyMs: 1 });
  await eventually(() => assert.ok(asked > answers.length));
  return lost;
}

for (const [what, answers, lost] of [
  ['that runs already: what it drops from now on', [5, 5, 9], 4n],
  ['that is to start: all that it drops', [undefined, 5, 5, 9], 9n],
  ['that starts anew: what both drop', [0, 4, undefined, 0, 2, 2], 6n],
  ['that starts anew between two answers: what both drop', [0, [5, 1_000], [9, 1_003], [9, 1_003], [12, 1_003]], 17n],
  ['that starts anew as soon as it had started', [undefined, [5, 1_000], [9, 1_003]], 14n],
  ['that drops nothing', [0, undefined, 0], 0n],
] as const) {
  test(`of an Envoy ${what}`, async () => assert.equal(await lostOf(answers), lost));
}

test('what goes wrong with asking ends nobody, and is told of', async () => {
  let asked = 0;
  let lost = 0n;
  const serverInfo = async () => infoOf(1_000);
  const failures: string[] = [];
  const stats = async () => {
    if (++asked === 1) throw new TypeError('what it says is nothing');
    return new Map([[DROPPED, asked]]);
  };
  const onLost = (count: bigint) => {
    lost += count;
  };
  using _losses = new EnvoyLosses({ admin: { stats, serverInfo }, onLost, onFailure: ({ message }) => failures.push(message), everyMs: 1 });
  await eventually(() => assert.ok(lost > 1n));
  assert.deepEqual(failures, ['what it says is nothing']);
});
