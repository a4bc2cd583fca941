import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ANY, type Decision, type DirectionPolicy, type FieldRef, type Verdict } from '../../model/index.ts';
import { judgePacket } from './lookup.ts';
import { portPrefixes } from './port-prefixes.ts';
import { type DecideOptions, type Entry, type MakeSlot, type PortKey, VerdictTable } from './verdict-table.ts';

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
const PEER = 300;
/** Of whom no rule says anything. */
const STRANGER = 301;

type Wanted = 'allow' | 'deny' | 'ask a' | 'ask b' | 'ask c';

interface Wish {
  readonly isAny: boolean;
  readonly key: PortKey;
  readonly wanted: Wanted;
}

const portKey: fc.Arbitrary<PortKey> = fc.oneof(
  fc.constant({ protocol: ANY, port: 0, length: 0 }),
  fc
    .record({ protocol: fc.constantFrom(6, 17), port: fc.nat(15), length: fc.constantFrom(0, 12, 13, 14, 15, 16) })
    .map(({ protocol, port, length }) => {
      return { protocol, length, port: length === 0 ? 0 : port & (0xffff << (16 - length)) };
    }),
);

const wanted = fc.constantFrom<Wanted[]>('allow', 'deny', 'ask a', 'ask b', 'ask c');

const wishes = fc.array(fc.record({ isAny: fc.boolean(), key: portKey, wanted }), { maxLength: 8 });

/** Readable, where others are made of hashes. */
const makeSlot: MakeSlot = (clauses, allowsAll) =>
  [...[...new Set(clauses.map(({ key }) => key))].sort(), ...(allowsAll ? ['all'] : [])].join(' ');

function verdictsOf(peer: number, entries: readonly Entry[]): Verdict[] {
  return entries.map(({ key, decision: decided, sources }) => ({
    peer,
    protocol: key.protocol,
    port: key.port,
    portPrefixLength: key.length,
    decision: decided,
    sources,
  }));
}

function fill(all: readonly Wish[]): { readonly any: VerdictTable; readonly peer: VerdictTable } {
  const tables = { any: new VerdictTable(), peer: new VerdictTable() };
  for (const [index, { isAny, key, wanted: what }] of all.entries()) {
    const source: FieldRef = { object: { kind: 'NetworkPolicy', namespace: 'a', name: 'b' }, path: [index] };
    const table = tables[isAny ? 'any' : 'peer'];
    if (what === 'allow' || what === 'deny') table.add(key, what, source);
    else table.ask(key, { key: what, rules: { kind: 'http', rules: [] }, source, allowsAll: false });
  }
  return tables;
}

/** A denial, or all that is asked, whether something allows without, whatever the lengths of the matches. */
function expected(
  all: readonly Wish[],
  protocol: number,
  port: number,
  { defaultDeny, visible }: Pick<DecideOptions, 'defaultDeny' | 'visible'>,
): string {
  const matching = all.filter(
    ({ key }) => key.protocol === ANY || (key.protocol === protocol && key.port >>> (16 - key.length) === port >>> (16 - key.length)),
  );
  const found = new Set(matching.map((wish) => wish.wanted));
  if (found.has('deny')) return 'deny';
  const asked = [...found].filter((what) => what !== 'allow').sort();
  if (asked.length > 0) return [...asked, ...(found.has('allow') ? ['all'] : [])].join(' ');
  if (!found.has('allow') && defaultDeny) return 'deny';
  return protocol === 6 && visible.includes(port) ? 'all' : 'allow';
}

const describeDecision = (decision: Decision) => (decision.kind === 'slot' ? decision.slot : decision.kind);

test(`two look-ups find all that matches, from seed ${SEED} (SLUICE_POLICY_SEED)`, () => {
  const property = fc.property(wishes, fc.boolean(), fc.uniqueArray(fc.nat(17), { maxLength: 3 }), (all, defaultDeny, visible) => {
    const options = { defaultDeny, visible, makeSlot };
    const tables = fill(all);
    const any = verdictsOf(ANY, tables.any.decisive(undefined, options));
    const own = verdictsOf(PEER, tables.peer.decisive(tables.any, options));
    const policy = { defaultDeny, verdicts: [...any, ...own] };
    for (const protocol of [6, 17, 132]) {
      for (let port = 0; port < 18; port++) {
        const { decision, verdict } = judgePacket(policy, PEER, protocol, port);
        assert.equal(describeDecision(decision), expected(all, protocol, port, options), `${protocol}/${port}`);
        const ofAny = all.filter(({ isAny }) => isAny);
        const stranger = judgePacket(policy, STRANGER, protocol, port);
        assert.equal(describeDecision(stranger.decision), expected(ofAny, protocol, port, options), `${protocol}/${port}`);
        assert.ok(verdict === undefined || verdict.sources.length > 0);
      }
    }
    for (const verdict of policy.verdicts) assert.ok(decides(verdict, policy), JSON.stringify(verdict));
  });
  fc.assert(property, { seed: SEED, numRuns: 3_000 });
});

/** Whether without it those that match no longer would come to something else, or to the default. */
function decides(verdict: Verdict, { defaultDeny, verdicts }: DirectionPolicy): boolean {
  const { peer, protocol, port, decision } = verdict;
  const others = verdicts.filter((other) => other !== verdict && matchLength(other) <= matchLength(verdict));
  const found = judgePacket({ defaultDeny, verdicts: others }, peer === ANY ? STRANGER : peer, protocol === ANY ? 132 : protocol, port);
  return found.verdict === undefined || describeDecision(found.decision) !== describeDecision(decision);
}

function matchLength({ protocol, portPrefixLength }: Verdict): number {
  return protocol === ANY ? 0 : 1 + portPrefixLength;
}

test('a range of ports becomes prefixes that have all of it and nothing else', () => {
  const property = fc.property(fc.nat(65_535), fc.nat(65_535), (a, b) => {
    const [first, last] = [Math.min(a, b), Math.max(a, b)];
    const prefixes = portPrefixes(first, last);
    let next = first;
    for (const { port, length } of prefixes) {
      assert.equal(port, next);
      assert.equal(port % 2 ** (16 - length), 0);
      next = port + 2 ** (16 - length);
    }
    assert.equal(next, last + 1);
    assert.ok(prefixes.length <= 30);
  });
  fc.assert(property, { seed: SEED, numRuns: 2_000 });
});

const RANGES: readonly [first: number, last: number, prefixes: readonly string[]][] = [
  [0, 65_535, ['0/0']],
  [80, 80, ['80/16']],
  [8080, 8083, ['8080/14']],
  [1, 6, ['1/16', '2/15', '4/15', '6/16']],
  [32_768, 65_535, ['32768/1']],
];

for (const [first, last, prefixes] of RANGES) {
  test(`ports ${first} to ${last}`, () =>
    assert.deepEqual(
      portPrefixes(first, last).map(({ port, length }) => `${port}/${length}`),
      prefixes,
    ));
}
