import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServerNameRule } from '../../model/index.ts';
import { findServerName, ingestServerName } from './index.ts';

const SOURCE = { object: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'api' }, path: ['serverNames', 0] };

function ruleOf(text: string): ServerNameRule {
  const read = ingestServerName(text, SOURCE, 1_000);
  assert.ok(typeof read !== 'string', String(read));
  return read;
}

const CASES: readonly (readonly [pattern: string, name: string, matches: boolean])[] = [
  ['a.example', 'a.example', true],
  ['a.example', 'A.Example', true],
  ['A.Example.', 'a.example', true],
  ['a.example', 'aXexample', false],
  ['a.example', 'b.a.example', false],
  ['a.example', 'a.example.org', false],
  ['a.example', '', false],
  ['*.example', 'a.example', true],
  ['*.example', '.example', false],
  ['*.example', 'b.a.example', false],
  ['a*.example', 'a.example', true],
  ['a*.example', 'ab-1.example', true],
  ['a*.example', 'a.b.example', false],
  ['**.example', 'a.example', true],
  ['**.example', 'b.a.example', true],
  ['**.example', 'example', false],
  ['a.**.example', 'a.b.c.example', true],
  ['a.**.example', 'a.example', false],
  ['*', 'localhost', true],
  ['*', 'a.example', false],
  ['*', '', false],
  ['**', 'a.example', true],
];

describe('a server name', () => {
  for (const [pattern, name, matches] of CASES) {
    test(`${JSON.stringify(name)} ${matches ? 'is' : 'is not'} one of ${pattern}`, () => {
      const rule = ruleOf(pattern);
      assert.equal(findServerName([rule], name), matches ? rule : undefined);
    });
  }

  test('is found by the first rule that has it', () => {
    const rules = ['b.example', '*.example', 'a.example'].map(ruleOf);
    assert.equal(findServerName(rules, 'a.example'), rules[1]);
  });

  const WRONG: readonly (readonly [text: string, problem: RegExp])[] = [
    ['', /is no name of a server/],
    ['a..example', /is no name of a server/],
    ['a b', /is no name of a server/],
    ['a.example:443', /is no name of a server/],
    ['a**.example', /has \*\* in a label/],
    ['***', /has \*\* in a label/],
    [`${'a.'.repeat(127)}example`, /longer than 253/],
    [`${'**.'.repeat(80)}example`, /instructions, more than the 1000 allowed/],
  ];
  for (const [text, problem] of WRONG) {
    test(`${JSON.stringify(text.slice(0, 20))} is wrong`, () => {
      const read = ingestServerName(text, SOURCE, 1_000);
      assert.match(typeof read === 'string' ? read : '', problem);
    });
  }
});
