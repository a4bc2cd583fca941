import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { settingsFields } from './describe.ts';
import { settingsDefaults, settingsTable } from './document.ts';
import { parseSettings } from './load.ts';
import { DEFAULT_SETTINGS } from './settings.ts';

const DOCUMENT = new URL('../docs/configuration.md', import.meta.url);
const GENERATED = /(<!-- settings:[^\n]*-->\n)[\s\S]*?(<!-- end of settings -->)/;

test('the printed defaults are a settings file that means the defaults', () => {
  assert.deepEqual(parseSettings(settingsDefaults(), 'sluice.yaml'), { settings: DEFAULT_SETTINGS });
});

test('docs/configuration.md lists every setting as the schema has it', () => {
  const text = readFileSync(DOCUMENT, 'utf8');
  const expected = text.replace(GENERATED, (_, open: string, close: string) => `${open}\n${settingsTable()}\n\n${close}`);
  if (process.env['UPDATE_GOLDEN'] && !process.env['CI']) writeFileSync(DOCUMENT, expected);
  else assert.equal(text, expected);
  assert.match(expected, /`http\.accessLog`/);
});

test('every setting is explained', () => {
  const unexplained = settingsFields().filter((field) => field.description === '');
  assert.deepEqual(unexplained, []);
});
