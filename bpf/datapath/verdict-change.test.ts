import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DirectionPolicy, Verdict } from '../../model/index.ts';
import { closedBut, OPEN, openBut, verdict } from './testing/judged.ts';
import { compareEntries, comparePolicies, planVerdictChange, type StepwiseChange } from './verdict-change.ts';
import { encodeVerdicts, nameKey, type VerdictEntries, type VerdictEntry } from './verdict-entries.ts';

const RUNS = 3_000;
const ANY_PEER = 0;
const [PEERS, PORTS, TCP, UDP] = [[ANY_PEER, 7, 8], [0, 1, 2, 3], 6, 17];
const portOf = (): number => 10_000;
const DECISIONS = ['none', 'allow', 'slot', 'deny'] as const;

/** Verdicts over few peers and ports, so that many hide others. */
const verdicts = fc.uniqueArray(
  fc
    .record({
      kind: fc.constantFrom('allow', 'slot', 'deny'),
      peer: fc.constantFrom(...PEERS),
      protocol: fc.constantFrom(0, TCP, UDP),
      port: fc.constantFrom(...PORTS),
      bits: fc.constantFrom(0, 15, 16),
    } as const)
    .map(({ kind, peer, protocol, port, bits }): Verdict => {
      const length = protocol === 0 ? 0 : bits;
      return verdict(kind, peer, protocol, port & (0xffff << (16 - length)), length);
    }),
  { maxLength: 6, selector: ({ peer, protocol, port, portPrefixLength }) => `${peer}/${protocol}/${port}/${portPrefixLength}` },
);

const policies = fc.record({ verdicts, defaultDeny: fc.boolean() });

interface State {
  readonly entries: VerdictEntries;
  readonly defaultDeny: boolean;
}

function stateOf({ verdicts: list, defaultDeny }: DirectionPolicy): State {
  return { entries: encodeVerdicts({ subject: 1, ingress: { verdicts: list, defaultDeny }, egress: OPEN }, portOf), defaultDeny };
}

/** As the programs do it: the longest match for the peer and for any, then by precedence. */
function allows({ entries, defaultDeny }: State, { peer, protocol, port }: { peer: number; protocol: number; port: number }): boolean {
  const found = [peer, ANY_PEER].flatMap((of) => longestMatch(entries, of, protocol, port) ?? []);
  if (found.length === 0) return !defaultDeny;
  return DECISIONS[Math.max(...found.map(({ decision }) => decision))] === 'allow';
}

function longestMatch(entries: VerdictEntries, peer: number, protocol: number, port: number): VerdictEntry | undefined {
  for (const bits of [16, 15, 0, -8]) {
    const significant = bits > 0 ? port & (0xffff << (16 - bits)) : 0;
    const key = {
      length: 48 + bits,
      peer,
      direction: 0,
      protocol: bits < 0 ? 0 : protocol,
      port: Uint8Array.of(significant >> 8, significant & 0xff),
    };
    const found = entries.get(nameKey(key));
    if (found) return found;
  }
  return undefined;
}

/** Every state on the way from the one to the other, in the order of writing. */
function* steps(before: State, after: State, change: StepwiseChange): Generator<State> {
  const entries = new Map(before.entries);
  let { defaultDeny } = before;
  for (const entry of [...change.denials, ...change.permissions]) {
    entries.set(nameKey(entry.key), entry);
    yield { entries, defaultDeny };
  }
  ({ defaultDeny } = after);
  yield { entries, defaultDeny };
  for (const entry of [...change.removedPermissions, ...change.removedDenials]) {
    entries.delete(nameKey(entry.key));
    yield { entries, defaultDeny };
  }
}

const PACKETS = PEERS.flatMap((peer) => [TCP, UDP].flatMap((protocol) => PORTS.map((port) => ({ peer, protocol, port }))));

test('at no moment is allowed what neither the old nor the new verdicts allow, and in the end the new ones hold', () => {
  let stepwise = 0;
  fc.assert(
    fc.property(policies, policies, (old, wanted) => {
      const [before, after] = [stateOf(old), stateOf(wanted)];
      const change = planVerdictChange(compareEntries(before.entries, after.entries));
      if (change.kind !== 'stepwise') return;
      stepwise += 1;
      let last: State = before;
      for (const state of steps(before, after, change)) {
        last = state;
        for (const packet of PACKETS) {
          assert.ok(!allows(state, packet) || allows(before, packet) || allows(after, packet), JSON.stringify(packet));
        }
      }
      const decisions = ({ entries }: State) => [...entries].map(([name, { decision }]) => `${name} ${decision}`).sort();
      assert.deepEqual(decisions(last), decisions(after));
    }),
    { numRuns: RUNS },
  );
  assert.ok(stepwise > 100, `only ${stepwise} changes were stepwise`);
});

test('where verdicts for any peer and for one change together, a new trie takes the place of the old one', () => {
  // Step by step, the new permission of the one and the old one of any would meet, where both policies deny.
  const before = stateOf(closedBut(verdict('deny', 7), verdict('allow', ANY_PEER, TCP, 80)));
  const after = stateOf(closedBut(verdict('allow', 7, TCP, 80), verdict('deny', ANY_PEER)));
  assert.equal(planVerdictChange(compareEntries(before.entries, after.entries)).kind, 'anew');
});

test('the smallest change that does is made', () => {
  const many = Array.from({ length: 1_000 }, (_, index) => verdict('allow', 7, TCP, index + 1));
  const before = stateOf(closedBut(...many));
  assert.deepEqual(planVerdictChange(compareEntries(before.entries, stateOf(openBut(...many)).entries)), { kind: 'none' });
  const oneMore = planVerdictChange(compareEntries(before.entries, stateOf(closedBut(...many, verdict('deny', 8))).entries));
  assert.equal(oneMore.kind === 'stepwise' && oneMore.denials.length, 1);
  assert.equal(planVerdictChange(compareEntries(before.entries, stateOf(closedBut(many[0] ?? verdict('deny', 8))).entries)).kind, 'anew');
});

test('policies are compared as their entries are', () => {
  fc.assert(
    fc.property(policies, policies, policies, policies, (ingress, egress, otherIngress, otherEgress) => {
      const [before, after] = [
        { subject: 1, ingress, egress },
        { subject: 1, ingress: otherIngress, egress: otherEgress },
      ];
      assert.deepEqual(
        comparePolicies(before, after, portOf),
        compareEntries(encodeVerdicts(before, portOf), encodeVerdicts(after, portOf)),
      );
    }),
    { numRuns: RUNS },
  );
});
