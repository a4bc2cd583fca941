import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { judgeTalk, type Packet } from '../../policy/oracle/judge.ts';
import type { PlainObject } from '../../policy/oracle/objects.ts';
import { podAt } from '../../policy/oracle/parties.ts';
import type { Talk } from '../../policy/oracle/talk.ts';
import { talk } from '../../policy/testing/random-layer7.ts';
import { randomLayer7World } from '../../policy/testing/random-layer7-world.ts';
import { PORTS } from '../../policy/testing/vocabulary.ts';
import { needs } from '../../testkit/capabilities.ts';
import { FAMILIES, type Family, type Place } from '../lab/netns/index.ts';
import type { HttpOutcome } from './http-peer.ts';
import { SteeredLab } from './steered-lab.ts';

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
const WORLDS = 60;
const MIN_REQUESTS = 5_000;
const PODS_PER_NODE = 5;
/** On each of so many ports between each two. */
const PORTS_PER_PAIR = 2;
/** A denied connection takes so long; an allowed one that does so, too, is asked for again with patience. */
const SHORT_MS = 400;
const PATIENT_MS = 10_000;

type Answer = ReturnType<typeof judgeTalk>;

interface End {
  readonly place: Place;
  readonly address: string;
}

describe(`requests in random worlds, from seed ${SEED} (SLUICE_POLICY_SEED)`, needs('root', 'netns', 'envoy', 'bpf', 'ipv6'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: SteeredLab;
  before(async () => {
    lab = cleanUp.use(await SteeredLab.start({ network: 'routed', podsPerNode: PODS_PER_NODE, pods: [] }));
    for (const { name } of [...lab.lab.pods, ...lab.lab.nodes]) for (const port of PORTS) await lab.peer(name).serve(port);
  });
  after(() => cleanUp.disposeAsync());

  /** Nodes, and the pods that the objects tell of. */
  function endsOf(objects: readonly PlainObject[], family: Family): readonly End[] {
    const ends = [...lab.lab.nodes, ...lab.lab.pods].map((place) => ({ place, address: place.addresses[family] }));
    return ends.filter(({ place, address }) => lab.lab.nodes.some((node) => node === place) || podAt(objects, address) !== undefined);
  }

  async function answerOf({ place }: End, to: string, port: number, said: Talk, timeoutMs: number): Promise<Answer> {
    const headers = { ...said.headers, host: said.host };
    const outcome = await lab.peer(place.name).ask({ to, port, method: said.method, path: said.path, headers, timeoutMs });
    return answerIn(outcome);
  }

  /** What differs from the oracle, in words. */
  async function disagreement(objects: readonly PlainObject[], from: End, to: End, port: number, said: Talk): Promise<string | undefined> {
    const packet: Packet = { from: from.address, to: to.address, protocol: 'TCP', port };
    const expected = judgeTalk(objects, packet, said);
    let actual = await answerOf(from, to.address, port, said, SHORT_MS);
    if (actual !== expected) actual = await answerOf(from, to.address, port, said, PATIENT_MS);
    outcomes.set(actual, (outcomes.get(actual) ?? 0) + 1);
    return actual === expected ? undefined : `${JSON.stringify([packet, said])}: ${actual}, the oracle says ${expected}`;
  }
  const outcomes = new Map<Answer, number>();

  test(`agree with the oracle in ${WORLDS} worlds`, { timeout: 900_000 }, async (t) => {
    const world = randomLayer7World({ pods: PODS_PER_NODE, isHandled: true });
    const talks = fc.array(talk.filter(isSentByClients), { minLength: 3, maxLength: 4 });
    const property = fc.asyncProperty(world, talks, fc.infiniteStream(fc.nat(1 << 30)), async ({ objects: all }, said, numbers) => {
      const objects = inLab(all);
      await lab.set('world', objects);
      const asked: Promise<string | undefined>[] = [];
      for (const family of FAMILIES) {
        const ends = endsOf(objects, family);
        const pairs = ends.flatMap((from) => ends.map((to) => [from, to] as const)).filter(([from, to]) => isJudged(objects, from, to));
        for (const [from, to] of pairs) {
          for (let count = 0; count < PORTS_PER_PAIR; count++) {
            const port = PORTS[(numbers.next().value ?? 0) % PORTS.length] ?? PORTS[0];
            for (const each of said) asked.push(disagreement(objects, from, to, port, each));
          }
        }
      }
      assert.deepEqual((await Promise.all(asked)).filter((line) => line !== undefined).slice(0, 5), []);
    });
    await fc.assert(property, { seed: SEED, numRuns: WORLDS, endOnFailure: true });
    const counts = [...outcomes].map(([answer, count]) => `${count} ${answer}`);
    t.diagnostic(counts.join(', '));
    const sum = outcomes.values().reduce((total, count) => total + count, 0);
    assert.ok(sum >= MIN_REQUESTS, `only ${sum} requests`);
    for (const answer of ['allowed', 'denied by layer 4', 'denied by layer 7', 'answered by Envoy'] as const) {
      assert.ok((outcomes.get(answer) ?? 0) > MIN_REQUESTS / 250, counts.join(', '));
    }
  });
});

function answerIn(outcome: HttpOutcome): Answer {
  if ('failed' in outcome) return 'denied by layer 4';
  if (outcome.status === 403 && outcome.body === 'Access denied\r\n') return 'denied by layer 7';
  // The servers of the lab answer nothing with these.
  if (outcome.status === 400 || outcome.status === 307) return 'answered by Envoy';
  assert.equal(outcome.status, 200, JSON.stringify(outcome));
  return 'allowed';
}

/** Servers of the lab take no others. */
function isSentByClients({ method, host }: Talk): boolean {
  return method !== 'get' && host !== '';
}

/** Between two that are no pods nothing is judged. */
function isJudged(objects: readonly PlainObject[], from: End, to: End): boolean {
  return from.place !== to.place && [from, to].some(({ address }) => podAt(objects, address) !== undefined);
}

/** With the names that the nodes have in the lab, and without server names: what is said is HTTP. */
function inLab(objects: readonly PlainObject[]): readonly PlainObject[] {
  const text = JSON.stringify(objects, (key, value: unknown) => (key === 'serverNames' ? undefined : value));
  return JSON.parse(text.replaceAll(/"node-(\d)"/g, (_, index) => `"node-${Number(index) + 1}"`));
}
