import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlPlane } from '../../conformance/lab/control-plane.ts';
import { objectKey } from '../../model/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { type Fault, FaultProxy } from '../../testkit/fault-proxy.ts';
import { ObjectFollower } from '../../testkit/object-follower.ts';
import { Random } from '../fuzz/random.ts';
import type { KubeObject } from '../object.ts';
import { validateObject } from '../validate.ts';
import { ApiServerSource } from './api-server-source.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);
const HISTORIES = 4;
const STEPS = 120;
/** A history goes on until there were so many. */
const MIN_FAULTS = 15;
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const WANTED = NAMES.slice(0, 3).map((name) => `default/${name}`);
/** Of all requests. */
const FAULTY = 0.4;

const FAULTS: readonly [(random: Random) => Fault, ...((random: Random) => Fault)[]] = [
  () => ({ kind: 'answer', status: 429, retryAfterSeconds: 1 }),
  () => ({ kind: 'answer', status: 500 }),
  () => ({ kind: 'answer', status: 410 }),
  () => ({ kind: 'reset' }),
  (random) => ({ kind: 'delay', delayMs: random.below(300) }),
  (random) => ({ kind: 'cut', afterLines: random.below(6) }),
  (random) => ({ kind: 'end', afterLines: random.below(6) }),
  (random) => ({ kind: 'expire', afterLines: random.below(6) }),
  (random) => ({ kind: 'garbage', afterLines: random.below(6) }),
  () => ({ kind: 'duplicate' }),
  () => ({ kind: 'reorder' }),
];

describe(`a source behind a proxy that disturbs, from seed ${SEED} (SLUICE_FUZZ_SEED)`, needs('cluster'), () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await ControlPlane.start();
  });
  after(() => plane[Symbol.asyncDispose]());

  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    test(`history ${seed}: what is followed equals what is read afresh`, { timeout: 180_000 }, async (t) => {
      const random = new Random(seed);
      let disturbs = true;
      const choose = () => (disturbs && random.chance(FAULTY) ? random.pick(FAULTS)(random) : undefined);
      await using proxy = await FaultProxy.start(plane, choose);
      const client = proxy.client();
      const source = new ApiServerSource(client);
      await using follower = await ObjectFollower.start(source);
      source.want(WANTED, []);
      const count = () => proxy.faults.values().reduce((sum, each) => sum + each, 0);
      for (let step = 0; step < STEPS || count() < MIN_FAULTS; step++) await change(plane, random, step);
      disturbs = false;
      await eventually(async () => assert.deepEqual(contentsOf(follower), await readAfresh(plane)), { withinMs: 60_000 });
      t.diagnostic(`${follower.batches.length} batches; faults: ${JSON.stringify(Object.fromEntries(proxy.faults))}`);
      await client.close();
    });
  }
});

async function change(plane: ControlPlane, random: Random, step: number): Promise<void> {
  const plural = random.pick(['services', 'secrets']);
  const name = random.pick(NAMES);
  const folder = `/api/v1/namespaces/default/${plural}`;
  const metadata = { name, namespace: 'default', annotations: { step: String(step) } };
  const body =
    plural === 'services'
      ? { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 + step }] } }
      : { apiVersion: 'v1', kind: 'Secret', metadata, data: { value: btoa(String(step)) } };
  const merge = { method: 'PATCH', body, contentType: 'application/merge-patch+json' };
  if (random.chance(0.3)) await plane.request(`${folder}/${name}`, { method: 'DELETE' });
  else if ((await plane.request(`${folder}/${name}`, merge)).status === 404) await plane.request(folder, { method: 'POST', body });
  // Histories have quiet moments in them, in which what is broken is mended.
  if (random.chance(0.2)) await sleep(random.below(100));
}

function contentsOf({ objects }: { readonly objects: ReadonlyMap<string, KubeObject> }): object {
  const entries = [...objects].filter(([key]) => /^(Service|Secret)\//.test(key)).map(([key, object]) => [key, revealed(object)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function revealed(object: KubeObject): object {
  return object.kind === 'Secret' ? { ...object, data: object.data['value']?.reveal() } : object;
}

/** Without a source: lists, looked at through the views. */
async function readAfresh(plane: ControlPlane): Promise<object> {
  const objects = new Map<string, KubeObject>();
  for (const [kind, plural] of [
    ['Service', 'services'],
    ['Secret', 'secrets'],
  ]) {
    const { body } = await plane.request(`/api/v1/${plural}`);
    for (const item of JSON.parse(body).items) {
      const seen = validateObject({ ...item, kind, apiVersion: 'v1' });
      assert.equal(seen.result, 'valid');
      if (seen.result !== 'valid' || (kind === 'Secret' && !WANTED.includes(`default/${seen.ref.name}`))) continue;
      objects.set(objectKey(seen.ref), seen.object);
    }
  }
  return contentsOf({ objects });
}
