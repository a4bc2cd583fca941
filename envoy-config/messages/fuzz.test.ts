import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import fc from 'fast-check';
import { asWritten } from './as-written.ts';
import { validateConstraints } from './constraints/validate-constraints.ts';
import { MESSAGE_CODES } from './findings.ts';
import { stepsOf } from './path.ts';
import { type ReadResult, readAny, readMessage } from './read-message.ts';

const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);
const RUNS = 5_000;
const registry = envoyRegistry();
const types = [...registry].filter((type) => type.kind === 'message');

const key = fc.constantFrom(...new Set(types.flatMap(({ fields }) => fields.flatMap(({ name, jsonName }) => [name, jsonName]))));
const typeName = fc.constantFrom(...types.map((type) => `type.googleapis.com/${type.typeName}`));
const scalar = fc.oneof(
  fc.anything({ maxDepth: 0, withBigInt: true, withDate: true, withTypedArray: true }),
  fc.string({ unit: 'binary' }),
  typeName,
);
/** Anything at all, made of keys and types that Envoy knows, for more than the first key to be looked at. */
const { anything } = fc.letrec((tie) => ({
  anything: fc.oneof({ depthSize: 'medium' }, scalar, fc.array(tie('anything'), { maxLength: 3 }), tie('object'), tie('any')),
  object: fc.dictionary(fc.oneof(key, fc.constantFrom('value', '@type', '__proto__', 'constructor')), tie('anything'), { maxKeys: 4 }),
  any: fc.tuple(tie('object'), typeName).map(([fields, name]) => ({ ...Object(fields), '@type': name })),
}));

describe(`${RUNS} values that are anything, from seed ${SEED} (SLUICE_FUZZ_SEED)`, () => {
  test('are read or refused with a reason, as a message of any type', { timeout: 120_000 }, (context) => {
    const count = { read: 0, refused: 0 };
    const type = fc.constantFrom(...types);
    const check = (result: ReadResult, json: unknown) => {
      assertSound(result, json);
      count[result.read ? 'read' : 'refused'] += 1;
    };
    fc.assert(
      fc.property(anything, type, (json, schema) => {
        check(readMessage(json, schema, registry), json);
        check(readAny(json, registry), json);
      }),
      { seed: SEED, numRuns: RUNS },
    );
    context.diagnostic(`${count.read} read, ${count.refused} refused`);
    assert.ok(count.read > 100);
  });
});

function assertSound(result: ReadResult, json: unknown): void {
  if (result.read) {
    // Of anything that can be read, the paths of what is wrong in it are paths.
    validateConstraints(result.message, registry, (path, message) => {
      assert.notEqual(message, '');
      assert.ok(asWritten(json, stepsOf(path)).length >= stepsOf(path).length);
    });
    return;
  }
  assert.notEqual(result.findings.length, 0);
  for (const { path, code, message } of result.findings) {
    assert.ok(code in MESSAGE_CODES && message !== '');
    const last = path.slice(0, -1).reduce<unknown>((at, step) => Reflect.get(Object(at), step), json);
    assert.ok(path.length === 0 || Object(last) === last, 'the path leads through what was written');
  }
}
