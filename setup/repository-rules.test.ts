import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  findCommittedGenerated,
  findForbiddenNames,
  findLongFiles,
  findRegistryAddresses,
  findUnexplainedDependencies,
} from './repository-rules.ts';

test('findLongFiles refuses code past 500 lines', () => {
  const file = (path: string, lines: number) => ({ path, text: () => 'x\n'.repeat(lines) });
  assert.deepEqual(findLongFiles([file('a.ts', 500), file('b.ts', 501), file('c.yaml', 9000), file('d.md', 600)]), [
    'b.ts: 501 lines, more than 500',
  ]);
});

test('findForbiddenNames looks at every part of a path, whatever the ending', () => {
  const refused = ['model/utils.ts', 'helpers/route.ts', 'kube/common/x.ts', 'a/Misc.test.ts'];
  const accepted = ['model/route.ts', 'xds-server/commonality.ts', 'docs/utilities-we-use.md'];
  assert.deepEqual(
    findForbiddenNames([...refused, ...accepted]),
    refused.map((path) => `${path}: name it after what is inside`),
  );
});

test('findRegistryAddresses refuses addresses, not links within the workspace', () => {
  const lock = '{\n  "resolved": "cli",\n  "resolved": "https://registry.example/a.tgz",\n  "version": "1.0.0"\n}';
  assert.deepEqual(findRegistryAddresses(lock), ['package-lock.json:3: records where a package was downloaded from']);
});

test('findCommittedGenerated refuses what is in a gen folder', () => {
  assert.deepEqual(findCommittedGenerated(['a/gen/x_pb.js', 'a/generate.ts', 'general/x.ts']), [
    'a/gen/x_pb.js: generated, so not to be committed',
  ]);
});

test('findUnexplainedDependencies wants every kind of dependency named', () => {
  const manifest = { dependencies: { a: '1', b: '1' }, devDependencies: { '@c/d': '1' }, name: 'x' };
  assert.deepEqual(findUnexplainedDependencies(manifest, '| `a` | because |'), [
    'b: docs/dependencies.md does not say what for',
    '@c/d: docs/dependencies.md does not say what for',
  ]);
});
