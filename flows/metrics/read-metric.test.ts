import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OptionProblem } from '../option-problem.ts';
import { problemsOfMetrics, readMetric } from './read-metric.ts';

describe('a metric in the words of settings', () => {
  for (const [text, expected] of [
    ['drop', { name: 'drop' }],
    ['drop:', { name: 'drop' }],
    ['drop:sourceContext=workload|namespace', { name: 'drop', sourceContext: ['workload', 'namespace'] }],
    [
      'httpV2:destinationIngressContext=pod;labelsContext=source_ip,destination_ip',
      { name: 'httpV2', destinationIngressContext: ['pod'], labelsContext: ['source_ip', 'destination_ip'] },
    ],
  ] as const) {
    test(text, () => assert.deepEqual(readMetric(text), expected));
  }
});

describe('what is no metric in such words', () => {
  for (const [text, problem] of [
    ['drop:exemplars=true', /^"exemplars" is none of the options sourceContext, /],
    ['drop:toString=pod', /^"toString" is none of the options /],
    ['drop:sourceContext=pod;', /^"" is none of the options /],
    ['drop:sourceContext=pod;sourceContext=ip', /^sourceContext is given twice$/],
  ] as const) {
    test(text, () => {
      const read = readMetric(text);
      assert.ok(read instanceof OptionProblem);
      assert.match(read.message, problem);
    });
  }
});

test('what nobody can hold to of a list, each at its place', () => {
  const texts = ['drop', 'drop:sourceContext=pod', 'toString', 'tcp:sourceContext=who', 'icmp:who=pod', 'dns'];
  const told = problemsOfMetrics(texts).map(({ index, problem }) => `${index} ${problem.message.slice(0, 23)}`);
  assert.deepEqual(told, [
    '1 drop stands there twice',
    '2 "toString" is none of t',
    '3 "who" is none of the co',
    '4 "who" is none of the op',
  ]);
});
