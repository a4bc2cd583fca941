import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { IP_PROTOCOLS } from '../model/index.ts';
import { judge, type Packet } from './oracle/judge.ts';
import type { PlainObject } from './oracle/objects.ts';
import { podAt } from './oracle/parties.ts';
import { compileAll, hostsOf } from './testing/compile.ts';
import { packetsIn } from './testing/packets.ts';
import { ciliumPolicy, clusterwidePolicy } from './testing/random-cilium-policy.ts';
import { networkPolicy } from './testing/random-network-policy.ts';
import { randomWorld } from './testing/random-world.ts';

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
const RUNS = Number(process.env['SLUICE_POLICY_RUNS'] ?? 400);

const PROTOCOLS: Readonly<Record<string, number>> = IP_PROTOCOLS;

/** Packets of which the compiled verdicts say something else than the oracle does. */
function disagreements(
  objects: readonly PlainObject[],
  enforcement: 'default' | 'always' | 'never' = 'default',
  labelFilter: readonly string[] = [],
): string[] {
  const { compiled } = compileAll(objects, { enforcement, labelFilter });
  const hosts = hostsOf(objects);
  const found: string[] = [];
  for (const packet of packetsIn(objects)) {
    if (podAt(objects, packet.from) !== undefined && podAt(objects, packet.from) === podAt(objects, packet.to)) continue;
    const expected = judge(objects, packet, { enforcement });
    const actual = compiled.judge(packet.from, packet.to, PROTOCOLS[packet.protocol] ?? 0, packet.port, hosts);
    if (actual !== expected) found.push(`${describePacket(packet)}: ${actual}, the oracle says ${expected}`);
  }
  return found;
}

function describePacket({ from, to, protocol, port }: Packet): string {
  return `${from} → ${to} ${protocol}/${port}`;
}

describe(`random worlds, from seed ${SEED} (SLUICE_POLICY_SEED)`, () => {
  const cases = [
    ['NetworkPolicies', 'default', networkPolicy],
    ['CiliumNetworkPolicies', 'default', fc.oneof(ciliumPolicy, clusterwidePolicy)],
    ['policies of all kinds', 'default', undefined],
    ['policies of all kinds', 'always', undefined],
    ['policies of all kinds', 'never', undefined],
  ] as const;
  for (const [what, enforcement, policy] of cases) {
    test(`${RUNS} worlds with ${what}, enforcement ${enforcement}: each packet is judged as the oracle does`, { timeout: 600_000 }, () => {
      const property = fc.property(randomWorld(policy ? { policy } : {}), ({ objects }) => {
        assert.deepEqual(disagreements(objects, enforcement).slice(0, 5), []);
      });
      fc.assert(property, { seed: SEED, numRuns: enforcement === 'default' ? RUNS : Math.ceil(RUNS / 10) });
    });
  }

  test('which labels make identities makes no difference to any packet', { timeout: 600_000 }, () => {
    const filters = [['!app'], ['!app', '!tier'], ['k8s:app'], ['!io\\.cilium\\.k8s\\.namespace\\.labels', '!tier']];
    const property = fc.property(randomWorld(), fc.constantFrom(...filters), ({ objects }, labelFilter) => {
      assert.deepEqual(disagreements(objects, 'default', labelFilter).slice(0, 5), []);
    });
    fc.assert(property, { seed: SEED, numRuns: Math.ceil(RUNS / 4) });
  });
});
