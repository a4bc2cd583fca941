import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { dump, loadAll } from 'js-yaml';
import { settingsResourceDefinition } from '../settings/index.ts';

const FILE = new URL('crds/sluicesettings.yaml', import.meta.url);
const INSTALL = new URL('install.yaml', import.meta.url);
const GENERATED = /(# crd: [^\n]*\n)[\s\S]*?(# end of crd\n)/;
const DEFINITION = dump(settingsResourceDefinition(), { lineWidth: -1, noRefs: true });
const isWriting = process.env['UPDATE_GOLDEN'] !== undefined && !process.env['CI'];

test('the manifest of the CRD is what the schema of settings makes', () => {
  const expected = `# Made from settings/settings.ts; UPDATE_GOLDEN=1 npm test -- manifests/crds writes it anew.\n${DEFINITION}`;
  if (isWriting) writeFileSync(FILE, expected);
  assert.equal(readFileSync(FILE, 'utf8'), expected);
});

test('install.yaml holds the same CRD, before everything else', () => {
  const text = readFileSync(INSTALL, 'utf8');
  const expected = text.replace(GENERATED, (_, open: string, close: string) => `${open}${DEFINITION}${close}`);
  if (isWriting) writeFileSync(INSTALL, expected);
  assert.equal(readFileSync(INSTALL, 'utf8'), expected);
  assert.deepEqual(loadAll(expected)[0], settingsResourceDefinition());
});

test('no field has a default, so that a new version of Sluice can change what is not said', () => {
  assert.doesNotMatch(DEFINITION, /\bdefault:/);
  assert.doesNotMatch(DEFINITION, /additionalProperties: (true|false)/);
});
