import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { compareDiagnostics, type Diagnostic } from '../../model/index.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { compileCase, compilePaths, type Outcome, readCases } from './case.ts';
import { splitDocuments, writeShuffled } from './shuffle.ts';

/** How many files each permutation is spread over; its index is the seed. */
const PERMUTATIONS = [1, 1, 2, 3, 5];

describe('the order and the files of documents make no difference', () => {
  for (const golden of readCases()) {
    test(golden.name, async () => {
      using folder = new TemporaryFolder();
      const expected = comparable(await compileCase(golden));
      const documents = splitDocuments(golden.input);
      for (const [seed, files] of PERMUTATIONS.entries()) {
        const path = folder.join(String(seed));
        mkdirSync(path);
        writeShuffled(documents, path, files, seed);
        assert.deepEqual(comparable(await compilePaths([path], golden)), expected, `permutation ${seed}`);
      }
    });
  }
});

/** Everything but the places in files. */
function comparable({ resources, listeners, diagnostics, actions }: Outcome) {
  return { actions, listeners, resources: resources.map(readable), diagnostics: diagnostics.map(withoutPlace).sort(compareDiagnostics) };
}

function readable({ body, ...rest }: Resource) {
  return { ...rest, body: Buffer.from(body).toString('base64') };
}

function withoutPlace({ location: _, ...rest }: Diagnostic): Diagnostic {
  return rest;
}
