import assert from 'node:assert/strict';
import { appendFileSync, closeSync, existsSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { lastWords, openEnvoyLog } from './envoy-log.ts';

test('the last words of a run are its own errors, or else its last lines', () => {
  using folder = new TemporaryFolder();
  const path = folder.join('envoy.log');
  writeFileSync(path, 'T [critical] [main] of an earlier run\n');
  const { fd, position } = openEnvoyLog(path);
  closeSync(fd);
  assert.deepEqual(lastWords(position), []);

  const warnings = Array.from({ length: 20 }, (_, index) => `T [warning] [main] ${index}`);
  appendFileSync(path, `${warnings.join('\n')}\n\n`);
  assert.deepEqual(lastWords(position), warnings.slice(-10));

  appendFileSync(path, 'T [error] [config] first\nT [warning] [main] between\nT [critical] [main] second\n');
  assert.deepEqual(lastWords(position), ['T [error] [config] first', 'T [critical] [main] second']);

  appendFileSync(path, `T [critical] [main] error: ${'x'.repeat(5_000)}: name is missing\n`);
  const long = lastWords(position).at(-1) ?? '';
  assert.match(long, /^T \[critical\] \[main\] error: x+ … x+: name is missing$/);
  assert.ok(long.length < 1_010);

  truncateSync(path);
  assert.deepEqual(lastWords(position), []);
  assert.deepEqual(lastWords({ path: folder.join('none.log'), offset: 0 }), []);
});

test('a log that has grown large is set aside at the next start', () => {
  using folder = new TemporaryFolder();
  const path = folder.join('envoy.log');
  const first = openEnvoyLog(path);
  writeSync(first.fd, 'begun');
  truncateSync(path, 10 * 1024 * 1024);
  closeSync(openEnvoyLog(path).fd);
  assert.equal(existsSync(`${path}.1`), false);

  writeSync(first.fd, 'more');
  const second = openEnvoyLog(path);
  assert.equal(second.position.offset, 0);
  assert.equal(statSync(`${path}.1`).size, 10 * 1024 * 1024 + 4);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  closeSync(first.fd);
  closeSync(second.fd);
});
