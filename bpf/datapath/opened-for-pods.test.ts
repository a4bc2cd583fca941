import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESERVED_IDENTITIES } from '../../model/index.ts';
import { judgeOpenedForPods } from './opened-for-pods.ts';

const { host: HOST } = RESERVED_IDENTITIES;
const [POLICED, AUDITED, WEB] = [300, 301, 400];
const SLOT = 10_001;
/** By the port that is asked for. */
const DECIDED: ReadonlyMap<number, number | undefined> = new Map([
  [80, 0],
  [81, undefined],
  [82, SLOT],
]);

function judge(source: string, destination: string, port: number): number | undefined {
  const entries = new Map([
    [5, { identity: POLICED, addresses: ['10.0.0.1', 'fd00::1'] }],
    [6, { identity: AUDITED, addresses: ['10.0.0.2'] }],
  ]);
  const [answer] = judgeOpenedForPods(
    {
      endpoints: { entries: () => entries.entries() },
      addresses: { identityOf: (address) => (address === '10.0.0.254' ? HOST : WEB) },
      verdicts: {
        isAudited: (subject) => subject === AUDITED,
        judge: (_, direction, connections) => {
          assert.equal(direction, 'egress');
          return connections.map((connection) => DECIDED.get(connection.port));
        },
      },
    },
    [{ source, destination, port }],
  );
  return answer;
}

for (const [what, source, destination, port, expected] of [
  ['is let by', '10.0.0.1', '10.0.0.9', 80, 0],
  ['is refused', '10.0.0.1', '10.0.0.9', 81, undefined],
  ['goes by way of a slot', 'FD00::0001', 'fd00::9', 82, SLOT],
  ['is refused to the node, where no slot could have it', '10.0.0.1', '10.0.0.254', 82, undefined],
  ['is let by to the node', '10.0.0.1', '10.0.0.254', 80, 0],
  ['is let by in audit mode', '10.0.0.2', '10.0.0.9', 81, 0],
  ['goes by way of a slot in audit mode', '10.0.0.2', '10.0.0.9', 82, SLOT],
  ['is let by to the node in audit mode', '10.0.0.2', '10.0.0.254', 82, 0],
  ['is refused with an address that is no pod’s', '10.0.0.3', '10.0.0.9', 80, undefined],
] as const)
  test(`what Envoy opened for a pod ${what}`, () => assert.equal(judge(source, destination, port), expected));

test('each has its own answer', () => {
  const tables = {
    endpoints: {
      entries: () => new Map([POLICED, AUDITED].map((identity, index) => [index, { identity, addresses: [`10.0.0.${index}`] }])).entries(),
    },
    addresses: { identityOf: () => WEB },
    verdicts: { isAudited: () => false, judge: (subject: number) => [subject] },
  };
  const openings = [1, 9, 0].map((index) => ({ source: `10.0.0.${index}`, destination: '10.0.0.9', port: 80 }));
  assert.deepEqual(judgeOpenedForPods(tables, openings), [AUDITED, undefined, POLICED]);
});
