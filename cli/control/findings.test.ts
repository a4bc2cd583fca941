import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Diagnostic } from '../../model/index.ts';
import { FindingsLog } from './findings.ts';

const nowhere = () => undefined;
const missing: Diagnostic = {
  severity: 'error',
  code: 'ServiceNotFound',
  message: 'there is no Service default/web',
  object: { kind: 'Ingress', namespace: 'default', name: 'shop' },
  path: ['spec', 'rules', 0],
  location: { file: '/m/shop.yaml', line: 12, column: 5 },
};
const unreadable: Diagnostic = {
  severity: 'warning',
  code: 'NotYaml',
  message: 'no YAML',
  path: [],
  location: { file: '/m/b.yaml', line: 1, column: 1 },
};

function linesOf(log: FindingsLog, diagnostics: readonly Diagnostic[]): string[] {
  return log.update(diagnostics, nowhere).map(({ level, event, text }) => `${level} ${event} ${text}`);
}

test('a finding is told once, and again when it is resolved', () => {
  const log = new FindingsLog();
  assert.deepEqual(linesOf(log, [missing, unreadable]), [
    'error refused /m/shop.yaml:12:5  Ingress default/shop spec.rules[0]: there is no Service default/web  [ServiceNotFound]',
    'warn warning /m/b.yaml:1:1  no YAML  [NotYaml]',
  ]);
  assert.deepEqual(linesOf(log, [unreadable, missing]), []);
  assert.deepEqual(linesOf(log, [unreadable]), ['info resolved Ingress default/shop spec.rules[0]  [ServiceNotFound]']);
  assert.deepEqual(linesOf(log, []), ['info resolved /m/b.yaml:1:1  [NotYaml]']);
  assert.equal(linesOf(log, [missing]).length, 1);
});

test('a finding that moves to another line is the same, one with other words is not', () => {
  const log = new FindingsLog();
  linesOf(log, [missing]);
  assert.deepEqual(linesOf(log, [{ ...missing, location: { file: '/m/shop.yaml', line: 40, column: 5 } }]), []);
  const lines = linesOf(log, [{ ...missing, message: 'there is no Service default/api' }]);
  assert.deepEqual(
    lines.map((line) => line.split(' ')[1]),
    ['resolved', 'refused'],
  );
});

test('a place is looked for where a finding brings none', () => {
  const { location, ...bare } = missing;
  const [entry] = new FindingsLog().update([bare], () => location);
  assert.match(entry?.text ?? '', /^\/m\/shop\.yaml:12:5 {2}/);
  assert.deepEqual(entry?.fields?.['location'], location);
});
