import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { objectKey } from '../../model/index.ts';
import { ObjectFollower } from '../../testkit/object-follower.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { FolderSource, type KubeObject, readManifests, refOf } from '../index.ts';
import { neighbourManifests } from './corpus.ts';
import { MUTATION_CLASSES, mutateManifests, SECRET_VALUE, writeMutatedFolder } from './index.ts';

const RUNS = 190;
const SEED = Number(process.env['SLUICE_FUZZ_SEED'] ?? 1);

async function objectsOf(name: string): Promise<readonly KubeObject[]> {
  using folder = new TemporaryFolder();
  writeFileSync(folder.join('only.yaml'), neighbourManifests(name).join('---\n'));
  return (await readManifests([folder.path])).objects;
}

const NEIGHBOURS = new Map(await Promise.all(['before', 'after', 'beside'].map(async (name) => [name, await objectsOf(name)] as const)));

function ofNamespace(objects: Iterable<KubeObject>, namespace: string): readonly KubeObject[] {
  return [...objects].filter((object) => object.metadata.namespace === namespace);
}

describe(`mutated manifests, from seed ${SEED} (SLUICE_FUZZ_SEED)`, () => {
  for (const mutation of MUTATION_CLASSES) {
    test(`${RUNS} × ${mutation}: nothing is thrown, and no neighbour notices`, { timeout: 120_000 }, async () => {
      using folder = new TemporaryFolder();
      for (let seed = SEED; seed < SEED + RUNS; seed++) {
        const mutated = mutateManifests(mutation, seed);
        writeMutatedFolder(folder.path, mutated);
        const { objects, diagnostics, locate } = await readManifests([folder.path]);
        for (const name of mutated.neighbours) assert.deepEqual(ofNamespace(objects, name), NEIGHBOURS.get(name), `seed ${seed}: ${name}`);
        for (const object of objects) assert.ok(locate(refOf(object), ['spec']), `seed ${seed}`);
        const told = JSON.stringify(diagnostics);
        assert.ok(!told.includes(SECRET_VALUE), `seed ${seed}: ${told}`);
        for (const { location } of diagnostics) assert.ok(location && location.line > 0 && location.column > 0, `seed ${seed}: ${told}`);
      }
    });
  }
});

test('the same seed gives the same files', () => {
  for (const mutation of MUTATION_CLASSES) assert.deepEqual(mutateManifests(mutation, 7), mutateManifests(mutation, 7));
});

test('a watched folder in which one wrong file follows another never disturbs a neighbour', { timeout: 120_000 }, async () => {
  using folder = new TemporaryFolder();
  writeFileSync(folder.join('beside.yaml'), neighbourManifests('beside').join('---\n'));
  await using follower = await ObjectFollower.start(new FolderSource(folder.path, { timing: { settle: 20, maxSettle: 40 } }));
  const beside = ofNamespace(follower.objects.values(), 'beside');
  for (const [index, mutation] of MUTATION_CLASSES.entries()) {
    for (const seed of Array(6).keys()) {
      const { files } = mutateManifests(mutation, SEED + seed);
      writeMutatedFolder(folder.path, { files: new Map([...files].filter(([name]) => name === 'mutant.yaml')), neighbours: [] });
    }
    const marker = `marker-${index}`;
    writeFileSync(folder.join('marker.json'), JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: marker } }));
    await follower.until(() => follower.names.includes(marker));
  }
  rmSync(folder.join('mutant.yaml'));
  await follower.until(() => follower.objects.size === beside.length + 1);
  assert.deepEqual(ofNamespace(follower.objects.values(), 'beside'), beside);
  const changed = follower.batches.slice(1).flatMap(({ upserts, removals }) => [...upserts.map(refOf), ...removals]);
  assert.deepEqual(changed.filter(({ namespace }) => namespace === 'beside').map(objectKey), []);
});
