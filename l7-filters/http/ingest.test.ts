import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPath, type HeaderRule } from '../../model/index.ts';
import { type HttpRuleSpec, ingestHttpRule } from './index.ts';

const SOURCE = { object: { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'api' }, path: ['spec', 'http', 0] };
const CONTEXT = { source: SOURCE, namespace: 'shop', maxProgramSize: 1_000 };

function headersOf(spec: HttpRuleSpec): readonly Omit<HeaderRule, 'source'>[] {
  const read = ingestHttpRule(spec, CONTEXT);
  assert.equal(read.result, 'usable');
  return read.result === 'usable' ? read.rule.headers.map(({ source, ...header }) => header) : [];
}

describe('an HTTP rule', () => {
  test('has its patterns with their places', () => {
    const read = ingestHttpRule({ method: 'GET', path: '/a.*', host: '' }, CONTEXT);
    const at = (member: string) => ({ object: SOURCE.object, path: [...SOURCE.path, member] });
    const rule = {
      method: { regex: 'GET', source: at('method') },
      path: { regex: '/a.*', source: at('path') },
      headers: [],
      source: SOURCE,
    };
    assert.deepEqual(read, { result: 'usable', rule });
  });

  const HEADERS: readonly (readonly [text: string, header: Omit<HeaderRule, 'source'>])[] = [
    ['X-Role', { name: 'x-role', mismatch: 'deny' }],
    ['X-Role: admin', { name: 'x-role', value: { kind: 'literal', text: 'admin' }, mismatch: 'deny' }],
    ['X-Role admin', { name: 'x-role', value: { kind: 'literal', text: 'admin' }, mismatch: 'deny' }],
    ['X-Role:  a b ', { name: 'x-role', value: { kind: 'literal', text: 'a b' }, mismatch: 'deny' }],
    ['X-Time: 10:30', { name: 'x-time', value: { kind: 'literal', text: '10:30' }, mismatch: 'deny' }],
  ];
  for (const [text, header] of HEADERS) {
    test(`takes the header ${JSON.stringify(text)}`, () => assert.deepEqual(headersOf({ headers: [text] }), [header]));
  }

  const secret = { kind: 'secret', namespace: 'shop', name: 'token', key: '' } as const;
  const MATCHES: readonly (readonly [what: string, match: NonNullable<HttpRuleSpec['headerMatches']>[number], header: object])[] = [
    ['a name', { name: 'X-Role' }, { name: 'x-role', mismatch: 'deny' }],
    ['an empty value', { name: 'X-Role', value: '' }, { name: 'x-role', mismatch: 'deny' }],
    ['a value', { name: 'X-Role', value: 'a' }, { name: 'x-role', value: { kind: 'literal', text: 'a' }, mismatch: 'deny' }],
    ['LOG', { name: 'X-Role', mismatch: 'LOG' }, { name: 'x-role', mismatch: 'log' }],
    ['ADD', { name: 'X-Role', mismatch: 'ADD' }, { name: 'x-role', mismatch: 'add' }],
    ['DELETE', { name: 'X-Role', mismatch: 'DELETE' }, { name: 'x-role', mismatch: 'delete' }],
    ['REPLACE', { name: 'X-Role', mismatch: 'REPLACE' }, { name: 'x-role', mismatch: 'replace' }],
    ['a Secret', { name: 'X-Token', secret: { name: 'token' } }, { name: 'x-token', value: secret, mismatch: 'deny' }],
    [
      'a Secret of its namespace',
      { name: 'X-Token', secret: { name: 'token', namespace: 'shop' } },
      { name: 'x-token', value: secret, mismatch: 'deny' },
    ],
    [
      'a Secret, and a value until it is there',
      { name: 'X-Token', secret: { name: 'token' }, value: 'none' },
      { name: 'x-token', value: { ...secret, fallback: 'none' }, mismatch: 'deny' },
    ],
  ];
  for (const [what, match, header] of MATCHES) {
    test(`takes a header match with ${what}`, () => assert.deepEqual(headersOf({ headerMatches: [match] }), [header]));
  }

  const WRONG: readonly (readonly [what: string, spec: HttpRuleSpec, path: string, message: RegExp])[] = [
    ['a method', { method: '(' }, 'method', /not understood/],
    ['a path that looks behind', { path: '(?<=a)b' }, 'path', /not understood/],
    ['a path with a reference', { path: '(a)\\1' }, 'path', /not understood/],
    ['a path that is too large', { path: '(a{100}){100}' }, 'path', /instructions, more than the 1000 allowed/],
    ['a host', { host: '[z-a]' }, 'host', /not understood/],
    ['a header without a space after its colon', { headers: ['A', 'B:c'] }, 'headers[1]', /is no name of a header/],
    ['a header without a name', { headers: [': a'] }, 'headers[0]', /is no name of a header/],
    ['a header that is a pseudo-header', { headers: [':path'] }, 'headers[0]', /is no name of a header/],
    ['a header of ours', { headers: ['X-Sluice-Secrets'] }, 'headers[0]', /that no client can send/],
    ['a header match of ours', { headerMatches: [{ name: 'x-sluice-a' }] }, 'headerMatches[0].name', /that no client can send/],
    ['a header with a long name', { headers: [`x-${'a'.repeat(1_000)}`] }, 'headers[0]', /too long a name/],
    ['a header whose value is missing', { headers: ['A: '] }, 'headers[0]', /has no value after its name/],
    ['a header of two lines', { headers: ['A: b\nC: d'] }, 'headers[0]', /that no header can have/],
    [
      'a Secret of another namespace',
      { headerMatches: [{ name: 'A', secret: { name: 'token', namespace: 'vault' } }] },
      'headerMatches[0].secret.namespace',
      /must be shop, the namespace of the policy/,
    ],
    ['a header that Envoy obeys', { headers: ['X-Envoy-Retry-On: 5xx'] }, 'headers[0]', /taken away before rules/],
    [
      'a length that is replaced',
      { headerMatches: [{ name: 'Content-Length', value: '1', mismatch: 'REPLACE' }] },
      'headerMatches[0].mismatch',
      /stays/,
    ],
    ...(['ADD', 'DELETE', 'REPLACE'] as const).map(
      (mismatch) =>
        [
          `a host that is changed by ${mismatch}`,
          { headerMatches: [{ name: 'Host', value: 'a', mismatch }] },
          'headerMatches[0].mismatch',
          /Host stays/,
        ] as const,
    ),
    ['a match without a name', { headerMatches: [{ name: '' }] }, 'headerMatches[0].name', /is no name of a header/],
    [
      'a match with a value of two lines',
      { headerMatches: [{ name: 'A', value: 'b\r\nC: d' }] },
      'headerMatches[0].value',
      /no header can have/,
    ],
    [
      'a match with a Secret without name',
      { headerMatches: [{ name: 'A', secret: { name: '' } }] },
      'headerMatches[0].secret.name',
      /required/,
    ],
  ];
  for (const [what, spec, path, message] of WRONG) {
    test(`is wrong with ${what}`, () => {
      const read = ingestHttpRule(spec, CONTEXT);
      const problems = read.result === 'wrong' ? read.problems : [];
      assert.deepEqual(
        problems.map((problem) => formatPath(problem.path)),
        [path],
      );
      assert.match(problems[0]?.message ?? '', message);
    });
  }

  test('tells all that is wrong', () => {
    const read = ingestHttpRule({ method: '(', path: ')', headers: [''] }, CONTEXT);
    assert.deepEqual(read.result === 'wrong' && read.problems.map(({ path }) => formatPath(path)), ['method', 'path', 'headers[0]']);
  });
});
