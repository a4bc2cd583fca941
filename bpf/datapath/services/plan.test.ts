import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ServicePortTranslation } from '../../../model/index.ts';
import { encodeAddress } from './address.ts';
import { Plan } from './plan.ts';
import { assembleState } from './read-state.ts';
import { emptyState, type KernelState } from './state.ts';
import { deleteStrays } from './strays.ts';
import { ModelledMaps } from './testing/modelled-maps.ts';
import { writePlan } from './write-state.ts';

const FRONTENDS = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1', '0.0.0.0'].map(
  (address) => ({ address, port: 80, protocol: 'TCP' }) as const,
);
const BACKENDS = ['10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1'].map((address) => ({ address, port: 8080 }));
const NAMES = ['a', 'b', 'c', 'd'];

/** Some Services: each frontend belongs to one of them or to nobody. */
const services = fc
  .record({
    owners: fc.tuple(...FRONTENDS.map(() => fc.option(fc.constantFrom(...NAMES)))),
    served: fc.tuple(
      ...NAMES.map(() =>
        fc.record({
          backends: fc.subarray(BACKENDS),
          draining: fc.subarray(BACKENDS),
          affinitySeconds: fc.constantFrom(0, 0, 60),
          isLeft: fc.integer({ min: 0, max: 5 }).map((number) => number === 0),
        }),
      ),
    ),
  })
  .map(({ owners, served }) =>
    NAMES.flatMap((name, index): ServicePortTranslation[] => {
      const frontends = FRONTENDS.filter((_, place) => owners[place] === name);
      const { isLeft = false, backends = [], draining = [], affinitySeconds = 0 } = served[index] ?? {};
      if (frontends.length === 0) return [];
      const service = { kind: 'Service', namespace: 'default', name };
      const leaving = draining.filter((backend) => !backends.includes(backend));
      if (isLeft) return [{ name, service, frontends, backends: [], draining: [], affinitySeconds, untranslated: 'source-ranges' }];
      return [{ name, service, frontends, backends, draining: leaving, affinitySeconds }];
    }),
  );

const histories = fc.array(services, { minLength: 2, maxLength: 6 });

function answersOf(translations: readonly ServicePortTranslation[]): readonly (readonly string[] | undefined)[] {
  return FRONTENDS.map((frontend) => {
    const owner = translations.find(({ frontends, untranslated }) => untranslated === undefined && frontends.includes(frontend));
    return owner?.backends.map(({ address, port }) => `${address} ${port}`);
  });
}

function observe(model: ModelledMaps): readonly (readonly string[] | undefined)[] {
  return FRONTENDS.map((frontend) => model.resolve(encodeAddress(frontend, frontend.protocol))?.toSorted());
}

/** Each frontend has one of these answers. */
function assertSees(model: ModelledMaps, allowed: readonly (readonly (readonly string[] | undefined)[])[]): void {
  for (const [index, seen] of observe(model).entries()) {
    const isAllowed = allowed.some((answers) => JSON.stringify(answers[index]) === JSON.stringify(seen));
    assert.ok(isAllowed, `${FRONTENDS[index]?.address}: ${seen}, not ${allowed.map((answers) => answers[index]).join(' or ')}`);
  }
}

async function change(
  model: ModelledMaps,
  state: KernelState,
  from: readonly ServicePortTranslation[],
  to: readonly ServicePortTranslation[],
) {
  const plan = new Plan(state);
  for (const _step of plan.set(to));
  for (const { name } of from) if (!to.some((translation) => translation.name === name)) plan.remove(name);
  await writePlan(model.maps, plan.finish());
}

test('after each single write, whoever asks gets what was or what is to be', async () => {
  const property = fc.asyncProperty(histories, async (history) => {
    let allowed: (readonly (readonly string[] | undefined)[])[] = [];
    const model = new ModelledMaps(() => assertSees(model, allowed));
    const state = emptyState();
    for (const [index, translations] of history.entries()) {
      const before = history[index - 1] ?? [];
      allowed = [answersOf(before), answersOf(translations)];
      await change(model, state, before, translations);
      assert.deepEqual(observe(model), answersOf(translations));
      assert.deepEqual((await assembleState(model.read())).services.size, translations.length);
    }
  });
  await fc.assert(property, { numRuns: 300 });
});

class Killed extends Error {}
const BEFORE_ALL = Number.POSITIVE_INFINITY;

test('whoever comes after one who ended at any write finishes it, and nothing is left over', async () => {
  const property = fc.asyncProperty(services, services, services, fc.integer({ min: 0, max: 60 }), async (first, second, third, writes) => {
    let left = BEFORE_ALL;
    const allowed = [first, second, third].map(answersOf);
    const model = new ModelledMaps(() => {
      if (left !== BEFORE_ALL) assertSees(model, allowed);
      left -= 1;
      if (left < 0) throw new Killed();
    });
    const state = emptyState();
    await change(model, state, [], first);
    left = writes;
    await change(model, state, first, second).catch((error) => assert.ok(error instanceof Killed));
    left = Number.MAX_SAFE_INTEGER;

    for (const isAgain of [false, true]) {
      const raw = model.read();
      const found = await assembleState(raw);
      const plan = new Plan(found);
      const gone = [...found.services.keys()].filter((name) => !third.some((translation) => translation.name === name));
      for (const _step of plan.set(third));
      for (const name of gone) plan.remove(name);
      const { written, deleted } = await writePlan(model.maps, plan.finish());
      const strays = await deleteStrays(model.maps, raw, found);
      if (isAgain) assert.deepEqual([written, deleted, strays], [0, 0, 0]);
    }
    assert.deepEqual(observe(model), answersOf(third));
  });
  await fc.assert(property, { numRuns: 300 });
});

test('numbers are never used again, also by the next', async () => {
  const model = new ModelledMaps(() => {});
  const [frontend] = FRONTENDS;
  const [one, two] = BACKENDS;
  assert.ok(frontend && one && two);
  const it = (backend: typeof one) => [
    {
      name: 'it',
      service: { kind: 'Service', namespace: 'default', name: 'it' },
      frontends: [frontend],
      backends: [backend],
      draining: [],
      affinitySeconds: 0,
    },
  ];
  const seen = new Set<bigint>();
  for (let turn = 0; turn < 20; turn += 1) {
    await change(model, await assembleState(model.read()), [], it(turn % 2 === 0 ? one : two));
    const [id] = [...model.read().backends.keys()];
    assert.ok(id !== undefined && !seen.has(id));
    seen.add(id);
  }
});
