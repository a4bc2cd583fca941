import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { documentedCodes } from '../testkit/documented-codes.ts';
import { DIAGNOSTIC_CODES } from './codes.ts';

const TABLE = Object.entries(DIAGNOSTIC_CODES).map(([code, entry]) => ({ code, ...entry }));

describe('diagnostic codes of CiliumEnvoyConfigs', () => {
  it('stand in docs/diagnostics.md as they stand here', () => {
    assert.deepEqual(documentedCodes('CiliumEnvoyConfigs'), TABLE);
  });

  it('are all given somewhere', () => {
    const files = ['envoy-config', 'controller/pipeline'].flatMap((folder) =>
      globSync(`${folder}/*.ts`, { cwd: `${import.meta.dirname}/..` }),
    );
    const given = files.filter((file) => !file.endsWith('.test.ts') && !file.endsWith('/codes.ts'));
    const source = given.map((file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')).join('\n');
    assert.deepEqual(
      TABLE.map(({ code }) => code).filter((code) => !source.includes(`'${code}'`)),
      [],
    );
  });
});
