import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLoops } from './loops.ts';

function edgesOf(graph: Readonly<Record<string, string>>) {
  return new Map(Object.entries(graph).map(([name, named]) => [name, [...named].map((to) => ({ to, at: `${name}${to}` }))]));
}

const CASES: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
  ['nothing', {}, ''],
  ['a chain', { a: 'b', b: 'c', c: '' }, ''],
  ['a diamond', { a: 'bc', b: 'd', c: 'd', d: 'e' }, ''],
  ['itself', { a: 'a' }, 'aa'],
  ['two of each other', { a: 'b', b: 'a' }, 'ba'],
  ['a loop behind a chain', { a: 'b', b: 'c', c: 'd', d: 'b' }, 'db'],
  ['a loop that was passed by', { d: 'e', a: 'db', b: 'c', c: 'b' }, 'cb'],
  ['two loops with one in common', { a: 'bc', b: 'a', c: 'a' }, 'ba ca'],
  ['a loop named twice', { a: 'bb', b: 'a' }, 'ba'],
  ['what is not there', { a: 'x' }, ''],
];
for (const [what, graph, expected] of CASES) {
  test(`loops of ${what}`, () => {
    assert.equal(
      findLoops(edgesOf(graph))
        .map(({ at }) => at)
        .join(' '),
      expected,
    );
  });
}

test('a chain may be as long as it likes', () => {
  const long = new Map(Array.from({ length: 100_000 }, (_, index) => [`${index}`, [{ to: `${index + 1}`, at: index }]]));
  assert.deepEqual(findLoops(long), []);
  long.set('100000', [{ to: '0', at: -1 }]);
  assert.deepEqual(findLoops(long), [{ to: '0', at: -1 }]);
});
