import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { envoyRegistry } from '@sluice/envoy-protos/registry.js';
import { EXTENSIONS, FIELDS, HARMLESS, PARTS, VALUES } from './tables.ts';
import { reachableMessages } from './testing/reachable-messages.ts';

const REVIEWED = new URL('testdata/reviewed-fields.txt', import.meta.url);
const registry = envoyRegistry();
const messages = [...registry].filter((desc) => desc.kind === 'message');

test('every message in a table is one of Envoy’s', () => {
  const names = [...HARMLESS.keys(), ...EXTENSIONS.keys(), ...PARTS.keys()];
  assert.deepEqual(
    names.filter((name) => !registry.getMessage(name)),
    [],
  );
});

test('every field in a table is one of Envoy’s, of a message that may stand somewhere', () => {
  for (const name of [...FIELDS.keys(), ...VALUES.keys()]) {
    const dot = name.lastIndexOf('.');
    const message = registry.getMessage(name.slice(0, dot));
    assert.ok(
      message?.fields.some((field) => field.name === name.slice(dot + 1)),
      name,
    );
    assert.ok(reachableMessages().has(name.slice(0, dot)), `${name}: its message is privileged, or cannot come into a config`);
  }
});

test('every message is in one table', () => {
  const names = [...HARMLESS.keys(), ...EXTENSIONS.keys(), ...PARTS.keys()];
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
});

test('every extension of Envoy is known to be harmless, or privileged for a reason', () => {
  const parts = new Set(
    messages.flatMap((desc) => desc.fields.flatMap(({ message }) => (message && message !== desc ? [message.typeName] : []))),
  );
  const extensions = messages.filter(({ typeName, parent }) => typeName.startsWith('envoy.extensions.') && !parent && !parts.has(typeName));
  assert.ok(extensions.length > 300);
  assert.deepEqual(
    extensions.filter(({ typeName }) => !HARMLESS.has(typeName) && !EXTENSIONS.has(typeName)).map(({ typeName }) => typeName),
    [],
    'neither in harmless/ nor in privileged/',
  );
});

test('every field that anybody may use has been looked at', () => {
  const lines = [...reachableMessages().values()].map(({ typeName, fields }) =>
    `${typeName} ${fields.map(({ name }) => name).join(' ')}`.trim(),
  );
  const expected = `${lines.sort().join('\n')}\n`;
  if (process.env['UPDATE_GOLDEN'] && !process.env['CI']) writeFileSync(REVIEWED, expected);
  const reviewed = new Set(readFileSync(REVIEWED, 'utf8').split('\n'));
  assert.deepEqual(
    expected.split('\n').filter((line) => !reviewed.has(line)),
    [],
    'fields of a new Envoy: those that reach beyond policies belong in privileged/; UPDATE_GOLDEN=1 then notes that all were looked at',
  );
  assert.equal(readFileSync(REVIEWED, 'utf8'), expected, 'fields that are gone; UPDATE_GOLDEN=1 rewrites it');
});
