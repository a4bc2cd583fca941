import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultStateDir, stateHome } from './state-dir.ts';

test('the state is where the desktop specification wants it', () => {
  assert.equal(stateHome({ XDG_STATE_HOME: '/s' }), '/s/sluice');
  const fallback = join(homedir(), '.local/state/sluice');
  for (const env of [{}, { XDG_STATE_HOME: '' }, { XDG_STATE_HOME: 'relative' }]) assert.equal(stateHome(env), fallback);
});

test('each folder of manifests has its own state, however it is written', () => {
  const env = { XDG_STATE_HOME: '/s' };
  assert.match(defaultStateDir('/a/m', env), /^\/s\/sluice\/[0-9a-f]{12}$/);
  assert.equal(defaultStateDir('/a/m', env), defaultStateDir('/a/./b/../m/', env));
  assert.notEqual(defaultStateDir('/a/m', env), defaultStateDir('/a/n', env));
});
