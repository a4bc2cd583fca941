import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatMarkdown, formatSums, isConformant, makeReport } from './report.ts';
import { type CaseResult, type GeneratedCase, hasPassed, Transcript, titleOf } from './transcript.ts';

const CASES = [
  'test cases to run by tag:',
  '- ingress: 2',
  'testing 3 cases',
  'test #1: ',
  ' - tags: direction, ingress',
  'test #2: Create/delete pod',
  ' - tags: action, create-pod',
  'test #3: a | b',
  ' - tags: egress',
];
const FIRST = [
  'starting test case #1',
  'time="2026-11-21T16:00:00Z" level=info msg="running kube probe on try 1"',
  'evaluating test case: ',
  'step 1 on all available ports/protocols:',
  '0 wrong, 0 ignored, 324 correct',
  'finished policy #1',
];
const SECOND = [
  'starting test case #2',
  'level=info msg="running kube probe on try 1"',
  'level=info msg="running kube probe on try 1"',
  'level=info msg="running kube probe on try 2"',
  'evaluating test case: Create/delete pod',
  '0 wrong, 0 ignored, 324 correct',
  'Discrepancy found:4 wrong, 36 ignored, 360 correct',
  'Expected ingress:',
  'finished policy #2',
];

/** A clock on which a millisecond passes each time that somebody looks. */
function clock(): () => number {
  let now = 0;
  return () => now++;
}

function read(...lines: readonly string[]): Transcript {
  const transcript = new Transcript(() => {}, clock());
  for (const line of lines) transcript.addLine(line);
  return transcript;
}

describe('what cyclonus says', () => {
  test('names the cases', () => {
    assert.deepEqual(read(...CASES).cases, [
      { number: 1, description: '', tags: ['direction', 'ingress'] },
      { number: 2, description: 'Create/delete pod', tags: ['action', 'create-pod'] },
      { number: 3, description: 'a | b', tags: ['egress'] },
    ]);
  });

  test('counts the pairs of each step, and how often they were tried', () => {
    const [first, second] = read(...CASES, ...FIRST, ...SECOND).results;
    assert.deepEqual(first, {
      number: 1,
      description: '',
      tags: ['direction', 'ingress'],
      steps: [{ wrong: 0, ignored: 0, correct: 324, tries: 1 }],
      milliseconds: 1,
    });
    assert.deepEqual(second?.steps, [
      { wrong: 0, ignored: 0, correct: 324, tries: 1 },
      { wrong: 4, ignored: 36, correct: 360, tries: 2 },
    ]);
    assert.equal(second?.discrepancy, SECOND.slice(1, -1).join('\n'));
  });

  test('is told of when a case is done, and not of one that is not', () => {
    const told: number[] = [];
    const transcript = new Transcript(({ number }) => told.push(number), clock());
    for (const line of [...CASES, ...FIRST, ...SECOND.slice(0, -1)]) transcript.addLine(line);
    assert.deepEqual(told, [1]);
  });

  test('of a case that nothing is known of is an error', () => {
    assert.throws(() => read(...CASES, 'starting test case #4'), /has not said what test case #4 is/);
  });
});

describe('a case', () => {
  const steps = (...wrong: readonly number[]): CaseResult => ({
    ...{ number: 1, description: '', tags: ['a', 'b'], milliseconds: 1 },
    steps: wrong.map((count) => ({ wrong: count, ignored: 0, correct: 3, tries: 1 })),
  });
  const nothingProbed: CaseResult = { ...steps(), steps: [{ wrong: 0, ignored: 0, correct: 0, tries: 1 }] };
  for (const [result, passed] of [
    [steps(0), true],
    [steps(0, 0), true],
    [steps(0, 1), false],
    [steps(1, 0), false],
    [steps(), false],
    [nothingProbed, false],
  ] as const) {
    test(`${JSON.stringify(result.steps)}: ${passed}`, () => assert.equal(hasPassed(result), passed));
  }

  test('is known by its tags, and its description where it has one', () => {
    assert.equal(titleOf({ number: 1, description: '', tags: ['a', 'b'] }), 'a, b');
    assert.equal(titleOf({ number: 1, description: 'a,b', tags: ['a', 'b'] }), 'a, b');
    assert.equal(titleOf({ number: 1, description: 'What', tags: ['a', 'b'] }), 'What (a, b)');
  });
});

describe('the report', () => {
  const circumstances = { date: '2026-11-21T16:00:00Z', versions: { Kubernetes: 'v1.36.3' }, command: 'cyclonus generate', seconds: 7 };
  const { cases, results } = read(...CASES, ...FIRST, ...SECOND);
  const report = makeReport(circumstances, { all: cases, chosen: cases, results });

  test('counts what passed, failed, and was not run', () => {
    assert.equal(formatSums(report), '1 passed, 1 failed, 1 not run, 0 left out; 1048 pairs of pods');
    assert.deepEqual(
      report.results.map(({ outcome }) => outcome),
      ['passed', 'failed', 'not run'],
    );
  });

  test('is conformant only if everything was run and has passed', () => {
    const [first] = cases;
    assert.ok(first !== undefined);
    const isSo = (chosen: readonly GeneratedCase[], results: readonly CaseResult[]) =>
      isConformant(makeReport(circumstances, { all: cases, chosen, results }));
    assert.equal(isSo([first], results.slice(0, 1)), true);
    assert.equal(isSo(cases.slice(0, 2), results.slice(0, 1)), false);
    assert.equal(isSo(cases.slice(0, 2), results), false);
    assert.equal(isSo([], []), false);
  });

  test('names what was left out, and numbers the rest as if nothing was', () => {
    const [first, second, third] = cases;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const result = { ...third, number: 1, steps: [{ wrong: 0, ignored: 0, correct: 1, tries: 1 }], milliseconds: 1 };
    const chosen = [{ ...third, number: 1 }];
    const { results, leftOut } = makeReport(circumstances, { all: cases, chosen, results: [result] });
    assert.deepEqual(
      results.map(({ number, outcome }) => [number, outcome]),
      [
        [1, 'left out'],
        [2, 'left out'],
        [3, 'passed'],
      ],
    );
    assert.equal(leftOut, 2);
    assert.throws(() => makeReport(circumstances, { all: [first, second], chosen, results: [] }), /does not always generate a \| b/);
  });

  test('lists them', () => {
    const text = formatMarkdown(report);
    assert.match(text, /^\| 1 \| direction, ingress \| passed \| 1 \| 324\/324 \| 0 \| 0 s \|$/m);
    assert.match(text, /^\| 2 \| Create\/delete pod \(action, create-pod\) \| failed \| 2 \| 684\/724 \| 1 \| 0 s \|$/m);
    assert.match(text, /^\| 3 \| a \\\| b \(egress\) \| not run \| 0 \| 0\/0 \| 0 \| 0 s \|$/m);
    assert.match(text, /^\| egress \| 0 \| 0 \| 1 \| 0 \|$/m);
  });
});
