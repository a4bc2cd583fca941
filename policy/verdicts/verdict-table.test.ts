import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ANY, type Decision, type FieldRef, type Verdict } from '../../model/index.ts';
import { judgePacket } from './lookup.ts';
import { portPrefixes } from './port-prefixes.ts';
import { type Entry, type PortKey, VerdictTable } from './verdict-table.ts';

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
const STRENGTH = { allow: 0, slot: 1, deny: 2 } as const;
const PEER = 300;

interface Wish {
  readonly isAny: boolean;
  readonly key: PortKey;
  readonly decision: Decision;
}

const portKey: fc.Arbitrary<PortKey> = fc.oneof(
  fc.constant({ protocol: ANY, port: 0, length: 0 }),
  fc
    .record({ protocol: fc.constantFrom(6, 17), port: fc.nat(15), length: fc.constantFrom(0, 12, 13, 14, 15, 16) })
    .map(({ protocol, port, length }) => {
      return { protocol, length, port: length === 0 ? 0 : port & (0xffff << (16 - length)) };
    }),
);

const decision = fc.constantFrom<Decision[]>({ kind: 'allow' }, { kind: 'deny' }, { kind: 'slot', slot: 'http' });

const wishes = fc.array(fc.record({ isAny: fc.boolean(), key: portKey, decision }), { maxLength: 7 });

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

/** The strongest of all that match, whatever their length. */
function expected(all: readonly Wish[], protocol: number, port: number, defaultDeny: boolean): string {
  const matching = all.filter(
    ({ key }) => key.protocol === ANY || (key.protocol === protocol && key.port >>> (16 - key.length) === port >>> (16 - key.length)),
  );
  const [strongest] = matching.map((wish) => wish.decision.kind).sort((a, b) => STRENGTH[b] - STRENGTH[a]);
  return strongest ?? (defaultDeny ? 'deny' : 'allow');
}

test(`two look-ups find the strongest of all that match, from seed ${SEED} (SLUICE_POLICY_SEED)`, () => {
  const property = fc.property(wishes, fc.boolean(), (all, defaultDeny) => {
    const tables = { any: new VerdictTable(), peer: new VerdictTable() };
    for (const [index, { isAny, key, decision: decided }] of all.entries()) {
      const source: FieldRef = { object: { kind: 'NetworkPolicy', namespace: 'a', name: 'b' }, path: [index] };
      tables[isAny ? 'any' : 'peer'].add(key, decided, source);
    }
    const any = verdictsOf(ANY, tables.any.decisive(undefined, defaultDeny));
    const own = verdictsOf(PEER, tables.peer.decisive(tables.any, defaultDeny));
    const policy = { defaultDeny, verdicts: [...any, ...own] };
    for (const protocol of [6, 17, 132]) {
      for (let port = 0; port < 18; port++) {
        const { decision: judged, verdict } = judgePacket(policy, PEER, protocol, port);
        assert.equal(judged.kind, expected(all, protocol, port, defaultDeny), `${protocol}/${port}`);
        assert.ok(verdict === undefined || verdict.sources.length > 0);
      }
    }
    for (const verdict of policy.verdicts) assert.ok(decides(verdict, policy.verdicts), JSON.stringify(verdict));
  });
  fc.assert(property, { seed: SEED, numRuns: 3_000 });
});

/** Nothing as strong holds for more of the same peer. */
function decides(verdict: Verdict, all: readonly Verdict[]): boolean {
  const shift = (length: number) => 16 - length;
  return !all.some(
    (other) =>
      other !== verdict &&
      other.peer === verdict.peer &&
      STRENGTH[other.decision.kind] >= STRENGTH[verdict.decision.kind] &&
      (other.protocol === ANY || (other.protocol === verdict.protocol && other.portPrefixLength <= verdict.portPrefixLength)) &&
      (other.protocol === ANY || verdict.port >>> shift(other.portPrefixLength) === other.port >>> shift(other.portPrefixLength)),
  );
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
