import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { compileCase, readCases } from './case.ts';
import { type NamedResources, staticBootstrap } from './static-bootstrap.ts';

const CASES = readCases();
/** So many cases go to one Envoy: starting it takes longer than what it does. */
const BATCH = 25;

/** No case allows larger regular expressions. */
const REGEX_LIMIT = Math.max(...CASES.map(({ settings }) => settings.envoy.regexMaxProgramSize));

const folder = new TemporaryFolder();
after(() => folder.dispose());
let files = 0;

describe('Envoy takes what comes of the golden cases', needs('envoy'), () => {
  for (let start = 0; start < CASES.length; start += BATCH) {
    const batch = CASES.slice(start, start + BATCH);
    test(`from ${batch[0]?.name} to ${batch.at(-1)?.name}`, async () => {
      const compiled = await Promise.all(
        batch.map(async (golden) => ({ name: golden.name, resources: (await compileCase(golden)).resources })),
      );
      assert.deepEqual(await findRefused(compiled), []);
    });
  }

  test('and the check would notice what it does not take', async () => {
    const [golden] = CASES;
    assert.ok(golden);
    const { resources } = await compileCase(golden);
    const good: NamedResources = { name: 'good', resources };
    const twice: NamedResources = { name: 'bad', resources: [...resources, ...resources] };
    const refused = await findRefused([good, twice, { ...good, name: 'other' }]);
    assert.equal(refused.length, 1);
    assert.match(refused[0] ?? '', /^bad: .*duplicate/s);
  });
});

/** What Envoy says against each case that it does not take; cases are told apart by trying halves. */
async function findRefused(cases: readonly NamedResources[]): Promise<readonly string[]> {
  const objection = await objectionTo(cases);
  if (objection === undefined) return [];
  if (cases.length === 1) return [`${cases[0]?.name}: ${objection}`];
  const half = Math.ceil(cases.length / 2);
  const refused = [...(await findRefused(cases.slice(0, half))), ...(await findRefused(cases.slice(half)))];
  return refused.length > 0 ? refused : [`only together, ${cases.map(({ name }) => name).join(', ')}: ${objection}`];
}

async function objectionTo(cases: readonly NamedResources[]): Promise<string | undefined> {
  const file = folder.join(`${files++}.pb`);
  writeFileSync(file, staticBootstrap(cases, REGEX_LIMIT));
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const args = ['--mode', 'validate', '-c', file, '-l', 'error', '--disable-hot-restart', '--concurrency', '1'];
  execFile(envoyBinary(), args, (error, _stdout, stderr) => resolve(error ? stderr || error.message : undefined));
  return promise;
}
