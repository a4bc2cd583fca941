import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ANY, type Direction, IP_PROTOCOLS, type ObjectRef, type SubjectPolicy, type Verdict } from '../../model/index.ts';
import { type Resource, SnapshotCache, SUBJECT_POLICY_TYPE } from '../../xds-server/serve/index.ts';
import { translateSubjectPolicy } from '../../xds-server/translate/node/policy.ts';
import { Deciders, type Judged } from './deciders.ts';

const { TCP, UDP, ICMP } = IP_PROTOCOLS;
const [WEB, API, OTHER] = [300, 301, 302];
const rule = (name: string): ObjectRef => ({ kind: 'CiliumNetworkPolicy', namespace: 'shop', name });

function verdict(peer: number, kind: Verdict['decision']['kind'], names: readonly string[], where: Partial<Verdict> = {}): Verdict {
  const decision = kind === 'slot' ? { kind, slot: 'ingress/1' } : { kind };
  const sources = names.flatMap((name) => [0, 1].map((index) => ({ object: rule(name), path: ['spec', 'ingress', index] })));
  return { peer, protocol: TCP, port: 80, portPrefixLength: 16, decision, sources, ...where };
}

const ANYWHERE = { protocol: ANY, port: 0, portPrefixLength: 0 };
const OPEN = { defaultDeny: false, verdicts: [] };
const POLICY: SubjectPolicy = {
  subject: WEB,
  ingress: {
    defaultDeny: true,
    verdicts: [
      verdict(ANY, 'allow', ['everybody'], { port: 443 }),
      verdict(API, 'allow', ['all-of-api', 'other'], ANYWHERE),
      verdict(API, 'slot', ['requests']),
      verdict(API, 'deny', ['no-names'], { protocol: UDP, port: 53 }),
      verdict(API, 'allow', ['pings'], { protocol: ICMP, port: 8 }),
    ],
  },
  egress: { defaultDeny: true, verdicts: [verdict(API, 'allow', ['out'], { port: 8080 })] },
};

/** Without the slots that it requires. */
function resourceOf(policy: SubjectPolicy): Resource {
  return { ...translateSubjectPolicy(policy), requires: [] };
}

function decidersOf(...policies: readonly SubjectPolicy[]): { readonly deciders: Deciders; readonly cache: SnapshotCache } {
  const cache = new SnapshotCache();
  cache.apply({ upserts: policies.map(resourceOf), removals: [] });
  return { deciders: new Deciders(cache), cache };
}

const judged = (fields: Partial<Judged>): Judged => ({
  subject: WEB,
  peer: API,
  direction: 'ingress',
  protocol: TCP,
  port: 80,
  outcome: 'passed-allowed',
  ...fields,
});

describe('who decided', () => {
  const { deciders } = decidersOf(POLICY);
  for (const [what, fields, names] of [
    ['is the rule for that port', { outcome: 'passed-steered' }, ['requests']],
    ['is each rule that says so, once', { port: 81 }, ['all-of-api', 'other']],
    ['is the rule for everybody', { peer: OTHER, port: 443 }, ['everybody']],
    ['is the rule that denies', { protocol: UDP, port: 53, outcome: 'dropped-denied' }, ['no-names']],
    ['is the rule that would deny', { protocol: UDP, port: 53, outcome: 'passed-audited' }, ['no-names']],
    ['is the rule for a type of message', { protocol: ICMP, port: 8 }, ['pings']],
    ['is the rule of the other direction', { direction: 'egress', port: 8080 }, ['out']],
    ['is nobody in the direction that has no such rule', { direction: 'egress', port: 81, outcome: 'dropped-not-allowed' }, []],
    ['is nobody where nothing is allowed by default', { peer: OTHER, outcome: 'dropped-not-allowed' }, []],
    ['is nobody where the rule says something else by now', { outcome: 'passed-allowed' }, []],
    ['is nobody of what has nothing to do with rules', { outcome: 'dropped-spoofed' }, []],
    ['is nobody where nothing is known of the subject', { subject: OTHER }, []],
  ] as const satisfies readonly (readonly [string, Partial<Judged>, readonly string[]])[]) {
    test(what, () => {
      assert.deepEqual(deciders.of(judged(fields)), names.map(rule));
      assert.deepEqual(deciders.of(judged(fields)), names.map(rule), 'asked again');
    });
  }

  test('is nobody where it would take too much of a second, but for what is known', () => {
    const cache = new SnapshotCache();
    cache.apply({ upserts: [resourceOf(POLICY)], removals: [] });
    let now = 0;
    // Each look takes 10 ms.
    const slow = new Deciders(cache, () => (now += 10));
    const at = (port: number) => slow.of(judged({ port })).length;
    const ports = Array.from({ length: 20 }, (_, index) => 1_000 + index);
    const named = ports.filter((port) => at(port) > 0);
    assert.deepEqual(named, ports.slice(0, named.length), 'the first');
    assert.ok(named.length >= 1 && named.length < 10, `${named.length} of 20`);
    assert.equal(at(1_000), 2, 'is known');
    now += 1_000;
    assert.equal(at(2_000), 2, 'in the next second');
  });

  test('is another once there are other rules, and nobody once they cannot be read', () => {
    const only = (name: string, direction: Direction): SubjectPolicy => ({
      subject: WEB,
      ingress: OPEN,
      egress: OPEN,
      [direction]: { defaultDeny: true, verdicts: [verdict(API, 'allow', [name])] },
    });
    const { deciders, cache } = decidersOf(only('first', 'ingress'));
    assert.deepEqual(deciders.of(judged({})), [rule('first')]);
    cache.apply({ upserts: [resourceOf(only('second', 'ingress'))], removals: [] });
    assert.deepEqual(deciders.of(judged({})), [rule('second')]);
    cache.apply({ upserts: [resourceOf(only('third', 'egress'))], removals: [] });
    assert.deepEqual([deciders.of(judged({})), deciders.of(judged({ direction: 'egress' }))], [[], [rule('third')]]);
    const broken = { ...resourceOf(only('fourth', 'ingress')), body: Uint8Array.of(0x0a, 0xff) };
    cache.apply({ upserts: [{ ...broken, version: 'broken' }], removals: [] });
    assert.deepEqual(deciders.of(judged({})), []);
    cache.apply({ upserts: [], removals: [{ typeUrl: SUBJECT_POLICY_TYPE, name: String(WEB) }] });
    assert.deepEqual(deciders.of(judged({})), []);
  });
});
