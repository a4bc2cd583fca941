import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { envoyTypesVersion } from './version.ts';

test('the types are of the pinned Envoy', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.equal(envoyTypesVersion(), manifest.config.envoy);
});
