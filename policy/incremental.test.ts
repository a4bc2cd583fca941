import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { refOf } from '../kube/index.ts';
import { objectKey } from '../model/index.ts';
import { PolicyEngine } from './engine.ts';
import type { PlainObject } from './oracle/objects.ts';
import { compileAll, viewOf } from './testing/compile.ts';
import { CompiledPolicy } from './testing/compiled-policy.ts';
import { layer7Policy } from './testing/random-cilium-policy.ts';
import { networkPolicy } from './testing/random-network-policy.ts';
import { randomWorld } from './testing/random-world.ts';

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);
const RUNS = Number(process.env['SLUICE_POLICY_RUNS'] ?? 150);

const layer7OrNot = fc.oneof({ weight: 4, arbitrary: layer7Policy }, { weight: 1, arbitrary: networkPolicy });

/** Goes from one state of the cluster to another, and to others after it; a mask says which objects are touched on the way. */
function playThrough(worlds: readonly (readonly PlainObject[])[], masks: readonly number[]): void {
  const engine = new PolicyEngine();
  const compiled = new CompiledPolicy();
  let diagnostics: unknown = [];
  const present = new Map<string, PlainObject>();
  let step = 0;
  for (const objects of worlds) {
    const wanted = new Map(objects.map((object) => [objectKey(refOf(viewOf(object))), object]));
    const keys = [...new Set([...wanted.keys(), ...present.keys()])].sort();
    for (const [index, key] of keys.entries()) {
      const object = wanted.get(key);
      const before = present.get(key);
      if (object) {
        engine.put(viewOf(object));
        present.set(key, object);
      } else if (before) {
        engine.delete(refOf(viewOf(before)));
        present.delete(key);
      }
      // Some changes are told one by one, some together.
      if (((masks[step % masks.length] ?? 0) >> (index % 20)) % 2 === 0) continue;
      const change = engine.flush();
      compiled.apply(change);
      diagnostics = change.diagnostics ?? diagnostics;
      check(present, compiled, diagnostics);
    }
    const change = engine.flush();
    compiled.apply(change);
    diagnostics = change.diagnostics ?? diagnostics;
    check(present, compiled, diagnostics);
    step++;
  }
}

function check(present: ReadonlyMap<string, PlainObject>, compiled: CompiledPolicy, diagnostics: unknown): void {
  const fresh = compileAll([...present.values()]);
  assert.deepEqual(compiled.described, fresh.compiled.described);
  assert.deepEqual(diagnostics, fresh.change.diagnostics ?? []);
}

describe(`changes, from seed ${SEED} (SLUICE_POLICY_SEED)`, () => {
  const cases = [
    ['clusters', RUNS, randomWorld({ pods: 5, policies: 4, isHandled: true })],
    ['clusters with rules of layer 7', RUNS, randomWorld({ pods: 4, policies: 5, families: [4], policy: layer7OrNot, isHandled: true })],
  ] as const;
  for (const [what, runs, worlds] of cases) {
    test(`${runs} ${what} that become others: what is told adds up to what is compiled anew`, { timeout: 600_000 }, () => {
      const world = worlds.map(({ objects }) => objects);
      const masks = fc.array(fc.nat(0xfffff), { minLength: 1, maxLength: 3 });
      const property = fc.property(fc.array(world, { minLength: 2, maxLength: 4 }), masks, (several, chosen) =>
        playThrough(several, chosen),
      );
      fc.assert(property, { seed: SEED, numRuns: runs });
    });
  }

  test(`${RUNS} clusters with rules of layer 7: the order of objects makes no difference`, { timeout: 600_000 }, () => {
    const world = randomWorld({ pods: 4, policies: 5, families: [4], policy: layer7OrNot, isHandled: true });
    const shuffled = world.chain(({ objects }) =>
      fc.shuffledSubarray([...objects], { minLength: objects.length }).map((other) => ({ objects, other })),
    );
    let slots = 0;
    const property = fc.property(shuffled, ({ objects, other }) => {
      const [before, after] = [compileAll(objects), compileAll(other)];
      slots += before.compiled.slots.size;
      assert.deepEqual(after.compiled.described, before.compiled.described);
      assert.deepEqual(after.change.diagnostics, before.change.diagnostics);
    });
    fc.assert(property, { seed: SEED, numRuns: RUNS });
    assert.ok(slots > RUNS, `${slots} slots`);
  });
});
