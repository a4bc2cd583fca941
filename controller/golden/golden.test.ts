import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { compileCase, INPUTS, readCases } from './case.ts';
import { GoldenError, readGolden, readUpdate, writeGolden } from './golden-files.ts';
import { outputsOf } from './outputs.ts';

const UPDATE = readUpdate(process.env);
const CASES = readCases();

describe('golden cases', () => {
  test('there are at least 60 of Ingresses and 60 of CiliumEnvoyConfigs, and each says what it shows', () => {
    const ofConfigs = CASES.filter(({ name }) => name.startsWith('cec-')).length;
    assert.ok(ofConfigs >= 60 && CASES.length - ofConfigs >= 60, `only ${CASES.length}, ${ofConfigs} of them of configs`);
    const silent = CASES.filter(({ input }) => !input.startsWith('# '));
    assert.deepEqual(
      silent.map(({ name }) => name),
      [],
    );
  });

  for (const golden of CASES) {
    test(golden.name, async () => {
      const outputs = outputsOf(await compileCase(golden));
      if (UPDATE) writeGolden(golden.folder, INPUTS, outputs);
      const expected = readGolden(golden.folder, INPUTS);
      assert.deepEqual([...outputs.keys()].sort(), [...expected.keys()], 'missing or orphaned files; UPDATE_GOLDEN=1 rewrites them');
      for (const [name, text] of outputs) assert.equal(text, expected.get(name), `${golden.name}/${name}; UPDATE_GOLDEN=1 rewrites it`);
    });
  }
});

describe('golden files', () => {
  test('are rewritten on demand only, and never in continuous integration', () => {
    assert.equal(readUpdate({}), false);
    assert.equal(readUpdate({ CI: 'true' }), false);
    assert.equal(readUpdate({ UPDATE_GOLDEN: '0', CI: 'true' }), false);
    assert.equal(readUpdate({ UPDATE_GOLDEN: '1' }), true);
    assert.throws(
      () => readUpdate({ UPDATE_GOLDEN: '1', CI: 'true' }),
      (error) => error instanceof GoldenError && error.code === 'update-refused',
    );
  });

  test('are all files of a folder but its inputs, and orphans go when they are rewritten', () => {
    using folder = new TemporaryFolder();
    const path = folder.join('case');
    mkdirSync(path);
    for (const name of ['input.yaml', 'settings.yaml', 'orphan.yaml']) writeFileSync(folder.join('case', name), name);
    assert.deepEqual([...readGolden(path, INPUTS)], [['orphan.yaml', 'orphan.yaml']]);
    writeGolden(path, INPUTS, new Map([['routes.yaml', 'routes']]));
    assert.deepEqual(readdirSync(path).sort(), ['input.yaml', 'routes.yaml', 'settings.yaml']);
    assert.deepEqual([...readGolden(path, INPUTS)], [['routes.yaml', 'routes']]);
  });
});
