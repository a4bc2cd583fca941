import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { EXTENSIONS, HARMLESS } from './tables.ts';
import { extensionTypes, refusalOf } from './testing/ask-envoy.ts';
import { BY_NAME, namedOnly } from './testing/by-name.ts';
import { foundIn, resource } from './testing/resources.ts';

const TIMED = { ...needs('envoy'), timeout: 60_000 };

test('every extension that Envoy says it has is known to be harmless, or privileged for a reason', TIMED, async () => {
  const types = await extensionTypes();
  assert.ok(types.size > 300, `${types.size}`);
  assert.deepEqual(
    [...types].filter((name) => !HARMLESS.has(name) && !EXTENSIONS.has(name)),
    [],
  );
});

test('what Envoy takes for a privileged extension by its name alone is found', TIMED, async () => {
  let taken = 0;
  for (const [name, kind, put] of BY_NAME) {
    for (const extension of namedOnly(name)) {
      if ((await refusalOf(kind, put(extension))) !== undefined) continue;
      taken++;
      assert.notDeepEqual(foundIn(resource(kind, put(extension))), [], JSON.stringify(extension));
    }
  }
  assert.ok(taken > 0, 'Envoy goes by names where it makes clusters');
});
