import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { judge, type Packet } from '../../policy/oracle/judge.ts';
import type { PlainObject } from '../../policy/oracle/objects.ts';
import { viewOf } from '../../policy/testing/compile.ts';
import { randomWorld } from '../../policy/testing/random-world.ts';
import { PORTS } from '../../policy/testing/vocabulary.ts';
import { needs } from '../../testkit/capabilities.ts';
import { FAMILIES, type Family, NETWORKS, OUTSIDE, type Place, type ProbeProtocol } from '../lab/netns/index.ts';
import { PolicedLab } from './policed-lab.ts';

/** Of each network; two hundred and more in all. */
const WORLDS = 70;
const PODS_PER_NODE = 6;
/** Protocols and ports that are asked for between each two. */
const TALKS_PER_PAIR = 3;
/** A denied connection takes so long; an allowed one that does so, too, is asked for again with patience. */
const SHORT_MS = 250;
const PATIENT_MS = 10_000;

interface End {
  readonly place: Place;
  readonly address: string;
}

interface Talk {
  readonly protocol: ProbeProtocol;
  readonly port: number;
}

const TALKS: readonly Talk[] = [
  ...PORTS.flatMap((port): Talk[] => [
    { protocol: 'TCP', port },
    { protocol: 'UDP', port },
  ]),
  { protocol: 'ICMP', port: 0 },
];

for (const network of NETWORKS) {
  describe(`random worlds in a ${network} network`, needs('root', 'netns', 'bpf'), () => {
    let policed: PolicedLab;
    before(async () => {
      policed = await PolicedLab.start({ network, podsPerNode: PODS_PER_NODE });
      for (const { prober } of policed.lab.places) for (const protocol of ['TCP', 'UDP'] as const) await prober.serve(protocol, ...PORTS);
      await policed.startNodes();
    });
    after(() => policed?.[Symbol.asyncDispose]());

    function endsOf(family: Family): readonly End[] {
      const { lab } = policed;
      const inside = [...lab.nodes, ...lab.pods].map((place) => ({ place, address: place.addresses[family] }));
      return [...inside, ...OUTSIDE.map((addresses) => ({ place: lab.outside, address: addresses[family] }))];
    }

    async function isAnswered({ place, address }: End, to: string, talk: Talk, timeoutMs: number): Promise<boolean> {
      return (await place.prober.probe({ ...talk, to, from: address, timeoutMs })) === 'answered';
    }

    /** What differs from the oracle, a line each. */
    async function disagreements(objects: readonly PlainObject[], pick: (count: number) => number): Promise<readonly string[]> {
      const found: Promise<string | undefined>[] = [];
      for (const family of FAMILIES) {
        const ends = endsOf(family);
        for (const from of ends) {
          for (const to of ends) {
            // Between two that are no pods nothing is judged, and only pods are told apart by their own address.
            if (from.place === to.place || ![from, to].some(({ place }) => policed.lab.pods.some((pod) => pod === place))) continue;
            for (let count = 0; count < TALKS_PER_PAIR; count += 1) {
              const talk = TALKS[pick(TALKS.length)];
              if (talk) found.push(disagreement(objects, family, from, to, talk));
            }
          }
        }
      }
      return (await Promise.all(found)).filter((line) => line !== undefined);
    }

    async function disagreement(objects: readonly PlainObject[], family: Family, from: End, to: End, talk: Talk) {
      const packet = packetOf(family, from.address, to.address, talk);
      const expected = judge(objects, packet);
      let answered = await isAnswered(from, to.address, talk, SHORT_MS);
      if (!answered && expected === 'allow') answered = await isAnswered(from, to.address, talk, PATIENT_MS);
      if (answered === (expected === 'allow')) return undefined;
      return `${JSON.stringify(packet)} is ${answered ? 'answered' : 'not answered'}, the oracle says ${expected}`;
    }

    test(`agree with the oracle in ${WORLDS} worlds`, async () => {
      let connections = 0;
      const property = fc.asyncProperty(
        randomWorld({ pods: PODS_PER_NODE }),
        fc.infiniteStream(fc.nat(1 << 30)),
        async (world, numbers) => {
          const objects = inLab(world.objects);
          await policed.set(objects.map(viewOf));
          const pick = (count: number) => {
            connections += 1;
            return (numbers.next().value ?? 0) % count;
          };
          assert.deepEqual(await disagreements(objects, pick), []);
        },
      );
      await fc.assert(property, { numRuns: WORLDS, endOnFailure: true });
      assert.ok(connections > 100 * WORLDS, `${connections} connections`);
      assert.deepEqual(policed.failures, []);
    });
  });
}

/** With the names that the nodes have in the lab. */
function inLab(objects: readonly PlainObject[]): readonly PlainObject[] {
  return JSON.parse(JSON.stringify(objects).replaceAll(/"node-(\d)"/g, (_, index) => `"node-${Number(index) + 1}"`));
}

function packetOf(family: Family, from: string, to: string, { protocol, port }: Talk): Packet {
  if (protocol !== 'ICMP') return { from, to, protocol, port };
  return family === 'ipv4' ? { from, to, protocol, port: 8 } : { from, to, protocol: 'ICMPv6', port: 128 };
}
