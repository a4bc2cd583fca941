import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { isInstalled } from './dependencies.mjs';

const MANIFEST = { dependencies: { left: '1.0.0' }, optionalDependencies: { mac: '1.0.0' } };
const LEFT = { version: '1.0.0', integrity: 'sha512-left' };
const MAC = { version: '1.0.0', integrity: 'sha512-mac', optional: true };
const WANTED = { '': MANIFEST, 'node_modules/left': LEFT, 'node_modules/mac': MAC };

const cases = [
  { name: 'all but what is for another platform', installed: { 'node_modules/left': LEFT }, is: true },
  { name: 'all', installed: { 'node_modules/left': LEFT, 'node_modules/mac': MAC }, is: true },
  { name: 'nothing', installed: undefined, is: false },
  { name: 'a package missing', installed: { 'node_modules/mac': MAC }, is: false },
  { name: 'another version', installed: { 'node_modules/left': { ...LEFT, version: '1.0.1' } }, is: false },
  { name: 'another content of the same version', installed: { 'node_modules/left': { ...LEFT, integrity: 'sha512-x' } }, is: false },
  { name: 'one that is no longer wanted', installed: { 'node_modules/left': LEFT, 'node_modules/right': LEFT }, is: false },
  {
    name: 'what the lock file wants, but not the manifest',
    manifest: { ...MANIFEST, dependencies: { left: '2.0.0' } },
    installed: { 'node_modules/left': LEFT },
    is: false,
  },
];

describe('isInstalled', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sluice-dependencies-'));
    mkdirSync(join(root, 'node_modules'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  for (const { name, manifest = MANIFEST, installed, is } of cases) {
    test(`${name}: ${is}`, () => {
      const write = (path: string, content: unknown) => writeFileSync(join(root, path), JSON.stringify(content));
      write('package.json', manifest);
      write('package-lock.json', { packages: WANTED });
      if (installed) write('node_modules/.package-lock.json', { packages: installed });
      assert.equal(isInstalled(root), is);
    });
  }
});
