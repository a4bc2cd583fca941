import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readGolden, readUpdate, writeGolden } from '../../controller/golden/golden-files.ts';
import { judgeTalk } from '../oracle/judge.ts';
import { compileAll, hostsOf } from '../testing/compile.ts';
import { INPUTS, objectsOf, readCases } from './case.ts';
import { outputsOf } from './outputs.ts';
import { compiledQuestion, readRequests } from './requests.ts';

const UPDATE = readUpdate(process.env);
const CASES = readCases();

describe('golden policies', () => {
  test('are at least 60, and each says what it shows', () => {
    assert.ok(CASES.length >= 60, `only ${CASES.length}`);
    const silent = CASES.filter(({ input }) => !input.startsWith('# '));
    assert.deepEqual(
      silent.map(({ name }) => name),
      [],
    );
  });

  for (const golden of CASES) {
    const objects = objectsOf(golden);
    test(`${golden.name}: verdicts and slots`, () => {
      const outputs = outputsOf(compileAll(objects).change);
      if (UPDATE) writeGolden(golden.folder, INPUTS, outputs);
      const expected = readGolden(golden.folder, INPUTS);
      assert.deepEqual([...outputs.keys()].sort(), [...expected.keys()], 'missing or orphaned files; UPDATE_GOLDEN=1 rewrites them');
      for (const [name, text] of outputs) assert.equal(text, expected.get(name), `${golden.name}/${name}; UPDATE_GOLDEN=1 rewrites it`);
      const backwards = outputsOf(compileAll([...objects].reverse()).change);
      assert.deepEqual(backwards, outputs, 'the order of objects matters');
    });

    test(`${golden.name}: what becomes of requests`, () => {
      const { compiled } = compileAll(objects);
      const requests = readRequests(golden.requests, objects);
      assert.ok(requests.length > 0, 'requests.txt says nothing');
      for (const request of requests) {
        const { packet, talk } = compiledQuestion(request);
        assert.equal(compiled.judgeTalk(packet, talk, hostsOf(objects)), request.outcome, request.line);
      }
    });
  }
});

describe('golden policies that are right', () => {
  for (const golden of CASES.filter(({ name }) => !/^(?:wrong|needs|secret)-/.test(name))) {
    test(`${golden.name}: the oracle agrees`, () => {
      const objects = objectsOf(golden);
      for (const { line, packet, talk, outcome } of readRequests(golden.requests, objects)) {
        assert.equal(judgeTalk(objects, packet, talk), outcome, line);
      }
    });
  }
});
