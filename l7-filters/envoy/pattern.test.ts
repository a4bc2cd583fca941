import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RE2JS } from 're2js';
import { regexProblem } from '../../regex/index.ts';
import { isUsable, joinRegexes } from './joined-regexes.ts';
import { type Pattern, patternOf } from './pattern.ts';

const exact = (...texts: readonly string[]): Pattern => ({ kind: 'exact', texts });
const regex = (of: string): Pattern => ({ kind: 'regex', regex: of });

const PATTERNS: readonly (readonly [text: string | undefined, pattern: Pattern])[] = [
  [undefined, { kind: 'any' }],
  ['.*', { kind: 'any' }],
  ['/a', exact('/a')],
  ['', exact('')],
  ['GET|POST|GET', exact('GET', 'POST')],
  ['web\\.test', exact('web.test')],
  ['/a\\\\b', exact('/a\\b')],
  ['/a/.*', { kind: 'prefix', text: '/a/' }],
  ['/a\\.b.*', { kind: 'prefix', text: '/a.b' }],
  ['web.test', regex('web.test')],
  ['a\\|b', regex('a\\|b')],
  ['a|b.*', regex('a|b.*')],
  ['/a\\.*', regex('/a\\.*')],
  ['/a\\d', regex('/a\\d')],
  ['\\Qa|b', regex('\\Qa|b')],
  ['(?i)get', regex('(?i)get')],
  ['[a|b]', regex('[a|b]')],
];

for (const [text, pattern] of PATTERNS) {
  test(`${JSON.stringify(text)} is ${pattern.kind}`, () => assert.deepEqual(patternOf(text), pattern));
}

test('joined expressions match what each did, and no more', () => {
  const regexes = ['/a', '/b|/c', '(?i)/d', '/e[0-9]+', '/\\Qf|(', '/(?P<n>g)', '/(?P<n>h)', '/a(', '/i{2,1}'];
  const joined = joinRegexes(regexes, 1_000);
  const matches = (text: string) => joined.some((each) => RE2JS.matches(each, text));
  for (const text of ['/a', '/b', '/c', '/d', '/D', '/e12', '/f|(', '/g', '/h']) assert.ok(matches(text), text);
  for (const text of ['/A', '/ab', '/e', '/F|(', '/i', '/a(', '']) assert.ok(!matches(text), text);
  assert.deepEqual(joinRegexes(regexes.toReversed(), 1_000), joined);
});

for (const limit of [100, 1_000]) {
  test(`no joined expression compiles to more than ${limit} instructions`, () => {
    const joined = joinRegexes(
      Array.from({ length: 300 }, (_, index) => `/v1/items/${index}/[a-f0-9]+(?:/x)?`),
      limit,
    );
    assert.ok(joined.length > 1 && joined.length < 300);
    for (const each of joined) assert.equal(regexProblem(each, limit), undefined);
  });
}

test('what Envoy would refuse is not usable', () => {
  assert.deepEqual(
    ['/a', '/a(', '(?=a)', 'x{1000}', '/a\\'].map((each) => isUsable(each, 100)),
    [true, false, false, false, false],
  );
});
