import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '@sluice/envoy-protos/envoy/config/listener/v3/listener_pb.js';
import { needs } from '../../testkit/capabilities.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import type { Resource } from '../../xds-server/serve/resource.ts';
import { LISTENER } from '../../xds-server/translate/types.ts';
import { compileCase, type LedListener, readCases } from './case.ts';
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
        batch.map(async (golden) => {
          const { resources, listeners } = await compileCase(golden);
          return { name: golden.name, resources: [...resources, ...listeners.map(listening)] };
        }),
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

/** A node says where. */
function listening({ listener: { name, body, requires } }: LedListener): Resource {
  const address = { case: 'socketAddress', value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: 1 } } } as const;
  const own = toBinary(ListenerSchema, create(ListenerSchema, { name, address: { address } }));
  return { typeUrl: LISTENER, name, version: '', body: Buffer.concat([body, own]), requires };
}

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
