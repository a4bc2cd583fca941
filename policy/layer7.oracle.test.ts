import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { IP_PROTOCOLS } from '../model/index.ts';
import type { EnforcementMode } from './index.ts';
import { judgeTalk } from './oracle/judge.ts';
import type { PlainObject } from './oracle/objects.ts';
import { podAt } from './oracle/parties.ts';
import type { Talk } from './oracle/talk.ts';
import { compileAll, hostsOf } from './testing/compile.ts';
import type { SlotTalk } from './testing/compiled-policy.ts';
import { packetsIn } from './testing/packets.ts';
import { talk } from './testing/random-layer7.ts';
import { randomLayer7World } from './testing/random-layer7-world.ts';

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
const RUNS = Number(process.env['SLUICE_POLICY_RUNS'] ?? 400);

const PROTOCOLS: Readonly<Record<string, number>> = IP_PROTOCOLS;
const OUTCOMES = ['allowed', 'denied by layer 4', 'denied by layer 7', 'answered by Envoy'] as const;

/** What is said on connections of which the compiled verdicts and slots say something else than the oracle does; counts what it says. */
function disagreements(
  objects: readonly PlainObject[],
  talks: readonly Talk[],
  outcomes: Map<string, number>,
  enforcement: EnforcementMode,
): string[] {
  const { compiled } = compileAll(objects, { enforcement });
  const hosts = hostsOf(objects);
  const found: string[] = [];
  for (const packet of packetsIn(objects)) {
    if (podAt(objects, packet.from) !== undefined && podAt(objects, packet.from) === podAt(objects, packet.to)) continue;
    for (const each of packet.protocol === 'TCP' ? talks : talks.slice(0, 1)) {
      const expected = judgeTalk(objects, packet, each, { enforcement });
      outcomes.set(expected, (outcomes.get(expected) ?? 0) + 1);
      const actual = compiled.judgeTalk({ ...packet, protocol: PROTOCOLS[packet.protocol] ?? 0 }, slotTalkOf(each), hosts);
      if (actual !== expected) found.push(`${JSON.stringify([packet, each])}: ${actual}, the oracle says ${expected}`);
    }
  }
  return found;
}

function slotTalkOf({ serverName, headers, ...request }: Talk): SlotTalk {
  return { request: { ...request, headers: Object.entries(headers) }, serverName };
}

describe(`layer 7 in random worlds, from seed ${SEED} (SLUICE_POLICY_SEED)`, () => {
  for (const [enforcement, runs] of [
    ['default', RUNS],
    ['always', Math.ceil(RUNS / 4)],
  ] as const) {
    test(`${runs} worlds, enforcement ${enforcement}: each request and server name is judged as the oracle does`, {
      timeout: 600_000,
    }, () => {
      const outcomes = new Map<string, number>();
      const world = randomLayer7World({ pods: 4, families: [4] });
      const property = fc.property(world, fc.array(talk, { minLength: 3, maxLength: 4 }), ({ objects }, talks) => {
        assert.deepEqual(disagreements(objects, talks, outcomes, enforcement).slice(0, 5), []);
      });
      fc.assert(property, { seed: SEED, numRuns: runs });
      for (const outcome of OUTCOMES) assert.ok((outcomes.get(outcome) ?? 0) > runs / 2, JSON.stringify([...outcomes]));
    });
  }
});
