import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENVOY_CONFIG_CODES } from '../../envoy-config/index.ts';
import { CONCERNS, isAbout } from './conditions-of-codes.ts';

test('every code of CiliumEnvoyConfigs concerns conditions, and one that refuses the object that of being accepted', () => {
  assert.deepEqual(Object.keys(CONCERNS).sort(), Object.keys(ENVOY_CONFIG_CODES).sort());
  for (const [code, { severity }] of Object.entries(ENVOY_CONFIG_CODES)) {
    assert.equal(isAbout({ code, severity }, 'accepted'), severity === 'error', code);
  }
});

test('codes of others refuse the object where they are errors, and say nothing here otherwise', () => {
  for (const [severity, expected] of [
    ['error', [true, false, false]],
    ['warning', [false, false, false]],
  ] as const) {
    const found = (['accepted', 'refs', 'programmed'] as const).map((concern) => isAbout({ code: 'RejectedByEnvoy', severity }, concern));
    assert.deepEqual(found, expected);
  }
});
