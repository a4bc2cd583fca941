import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HttpRule } from '../../model/index.ts';
import {
  describeHttpRule,
  describeMisses,
  type EqualsSecret,
  type HttpRequest,
  type HttpRuleSpec,
  ingestHttpRule,
  type JudgeOptions,
  judgeRequest,
} from './index.ts';

const OBJECT = { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'api' };

function ruleOf(spec: HttpRuleSpec, index = 0): HttpRule {
  const read = ingestHttpRule(spec, { source: { object: OBJECT, path: ['http', index] }, namespace: 'shop', maxProgramSize: 1_000 });
  assert.equal(read.result, 'usable');
  return read.result === 'usable' ? read.rule : { headers: [], source: { object: OBJECT, path: [] } };
}

function requestOf(more: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'GET', path: '/', host: 'a.example', headers: [], ...more };
}

const OPTIONS: JudgeOptions = { pathNormalization: 'full', headersWithUnderscores: 'allow' };

type Case = readonly [what: string, rule: HttpRuleSpec, request: Partial<HttpRequest>, allowed: boolean];

const CASES: readonly Case[] = [
  ['everything', {}, {}, true],
  ['a method', { method: 'GET' }, {}, true],
  ['a part of a method', { method: 'GE' }, {}, false],
  ['one of two methods', { method: 'GET|PUT' }, { method: 'PUT' }, true],
  ['the end of one of two methods', { method: 'GET|PUT' }, { method: 'XPUT' }, false],
  ['a path', { path: '/a' }, { path: '/a' }, true],
  ['a path with a query', { path: '/a' }, { path: '/a?b' }, false],
  ['a path up to its end', { path: '/a$' }, { path: '/a' }, true],
  ['a dot that is any letter', { host: 'a.example' }, { host: 'axexample' }, true],
  ['a dot that is a dot', { host: 'a\\.example' }, { host: 'axexample' }, false],
  ['a host of another case', { host: 'a.example' }, { host: 'A.example' }, false],
  ['a letter of two bytes, as itself', { path: '/é' }, { path: '/é' }, true],
  ['a line end in a path, which a dot is not', { path: '/a.b' }, { path: '/a\nb' }, false],
  ['a header of any case', { headers: ['X-A: b'] }, { headers: [['x-a', 'b']] }, true],
  ['a header with spaces around', { headers: ['X-A: b'] }, { headers: [['X-A', ' b ']] }, true],
  [
    'a header that is there twice',
    { headers: ['X-A: b'] },
    {
      headers: [
        ['X-A', 'b'],
        ['x-a', 'b'],
      ],
    },
    false,
  ],
  [
    'a header that is there twice, as one',
    { headers: ['X-A: b,c'] },
    {
      headers: [
        ['X-A', 'b'],
        ['x-a', 'c'],
      ],
    },
    true,
  ],
  ['a header that is empty, asked for', { headers: ['X-A'] }, { headers: [['x-a', '']] }, true],
  ['the header Host, which is the authority', { headers: ['Host: a.example'] }, {}, true],
  ['the header Host, of a request without', { headers: ['Host'] }, { host: '' }, false],
];

describe('a request', () => {
  for (const [what, spec, request, allowed] of CASES) {
    test(`${allowed ? 'is' : 'is not'} allowed by a rule with ${what}`, () => {
      assert.equal(judgeRequest([ruleOf(spec)], requestOf(request), OPTIONS).decision, allowed ? 'allow' : 'deny');
    });
  }

  test('is allowed by none of no rules', () =>
    assert.deepEqual(judgeRequest([], requestOf(), OPTIONS), { decision: 'deny', nearest: undefined }));

  test('is told the first rule that allows it, and the headers that it has otherwise', () => {
    const rules = [ruleOf({ method: 'PUT' }), ruleOf({ headerMatches: [{ name: 'X-A', value: 'b', mismatch: 'ADD' }] }, 1), ruleOf({}, 2)];
    const judgement = judgeRequest(rules, requestOf(), OPTIONS);
    assert.equal(judgement.decision, 'allow');
    assert.deepEqual(judgement.decision === 'allow' && [judgement.by.rule, judgement.by.adjusted], [rules[1], rules[1]?.headers]);
  });

  const secret = ruleOf({ headerMatches: [{ name: 'X-Token', secret: { name: 'token' } }] });
  const SECRETS: readonly (readonly [what: string, equals: EqualsSecret | undefined, headers: HttpRequest['headers'], decision: string])[] =
    [
      ['is not known', undefined, [['x-token', 'a']], 'unknown'],
      ['is not known, and the header is missing', undefined, [], 'deny'],
      ['is the same', (_, value) => value === 'a', [['x-token', 'a']], 'allow'],
      ['is another', (_, value) => value === 'a', [['x-token', 'b']], 'deny'],
    ];
  for (const [what, equals, headers, decision] of SECRETS) {
    test(`is judged "${decision}" where the value of a Secret ${what}`, () => {
      assert.equal(
        judgeRequest([secret], requestOf({ headers }), { ...OPTIONS, ...(equals && { equalsSecret: equals }) }).decision,
        decision,
      );
    });
  }

  test('is not denied for want of a Secret where another rule allows it', () => {
    assert.equal(judgeRequest([secret, ruleOf({})], requestOf({ headers: [['x-token', 'a']] }), OPTIONS).decision, 'allow');
  });
});

describe('a request that is refused whatever rules say', () => {
  const PATH = { pathNormalization: 'full', headersWithUnderscores: 'allow' } as const;
  const REFUSED: readonly (readonly [request: Partial<HttpRequest>, options: JudgeOptions, decision: string])[] = [
    [{ host: 'a.example,b.example' }, PATH, 'several-hosts'],
    [{ path: '/a/..;/b' }, PATH, 'dots-with-parameters'],
    [{ path: '/a/.%3bc=d' }, { ...PATH, pathNormalization: 'base' }, 'dots-with-parameters'],
    [{ path: '/a/..;/b' }, { ...PATH, pathNormalization: 'none' }, 'allow'],
    [{ path: '/a?b=/..;/' }, PATH, 'allow'],
    [{ path: '/a;b/...;' }, PATH, 'allow'],
  ];
  for (const [request, options, expected] of REFUSED) {
    test(`${JSON.stringify(request)} with ${options.pathNormalization}: ${expected}`, () => {
      const judgement = judgeRequest([ruleOf({})], requestOf(request), options);
      assert.equal(judgement.decision === 'refuse' ? judgement.refusal : judgement.decision, expected);
    });
  }

  test('is denied like others where there are no rules', () => {
    assert.equal(judgeRequest([], requestOf({ host: 'a,b' }), PATH).decision, 'deny');
  });
});

describe('headers that some servers take for one that a rule names', () => {
  const LOOKALIKES: readonly (readonly [specs: readonly HttpRuleSpec[], headers: HttpRequest['headers'], allow: boolean, drop: boolean])[] =
    [
      [[{ headers: ['X-Role: a'] }], [['x_role', 'a']], false, false],
      [
        [{ headers: ['X-Role: a'] }],
        [
          ['x-role', 'a'],
          ['X_Role', 'b'],
        ],
        true,
        true,
      ],
      [[{ headers: ['X-Role: a'] }, { headers: ['X_Role: b'] }], [['x-role', 'a']], false, true],
      [[{ headers: ['X_Role: b'] }], [['X_Role', 'b']], true, true],
      [[{ headers: ['X_The-Role: b'] }], [['x_the-role', 'b']], true, true],
    ];
  for (const [specs, headers, ...expected] of LOOKALIKES) {
    for (const [index, headersWithUnderscores] of (['allow', 'drop'] as const).entries()) {
      test(`${JSON.stringify([specs, headers])}, ${headersWithUnderscores}`, () => {
        const judgement = judgeRequest(specs.map(ruleOf), requestOf({ headers }), { ...OPTIONS, headersWithUnderscores });
        assert.equal(judgement.decision === 'allow', expected[index]);
      });
    }
  }
});

describe('the nearest rule', () => {
  const rules = [
    ruleOf({ method: 'GET', path: '/public' }, 0),
    ruleOf({ method: 'PUT', path: '/inbox', headers: ['X-Role: admin'] }, 1),
    ruleOf({ method: 'POST', path: '/inbox' }, 2),
  ];
  const NEAREST: readonly (readonly [request: Partial<HttpRequest>, told: string])[] = [
    [{ method: 'PUT', path: '/public' }, 'method PUT is not GET (CiliumNetworkPolicy shop/api http[0].method)'],
    [{ method: 'PUT', path: '/inbox' }, 'header x-role is missing (CiliumNetworkPolicy shop/api http[1].headers[0])'],
    [
      { method: 'PUT', path: '/inbox', headers: [['x-role', 'user']] },
      'header x-role is not admin (CiliumNetworkPolicy shop/api http[1].headers[0])',
    ],
    [{ method: 'GET', path: '/private' }, 'path /private is not /public (CiliumNetworkPolicy shop/api http[0].path)'],
    [{ method: 'GET', path: '/a b' }, 'path "/a b" is not /public (CiliumNetworkPolicy shop/api http[0].path)'],
  ];
  for (const [request, told] of NEAREST) {
    test(`of ${request.method} ${request.path}: ${told}`, () => {
      const judgement = judgeRequest(rules, requestOf(request), OPTIONS);
      assert.equal(judgement.decision === 'deny' && judgement.nearest && describeMisses(judgement.nearest), told);
    });
  }
});

describe('what is told of a rule', () => {
  const TOLD: readonly (readonly [spec: HttpRuleSpec, text: string])[] = [
    [{}, 'any request'],
    [{ method: 'GET', path: '/a b', host: 'a' }, 'method GET, path "/a b", host a'],
    [{ headers: ['X-A', 'X-B: c'] }, 'header x-a, header x-b c'],
    [{ headerMatches: [{ name: 'A', value: 'b', mismatch: 'REPLACE' }] }, 'header a b, else replaced'],
    [{ headerMatches: [{ name: 'A', secret: { name: 's' }, value: 'hidden' }] }, 'header a the value of Secret shop/s'],
  ];
  for (const [spec, text] of TOLD) test(text, () => assert.equal(describeHttpRule(ruleOf(spec)), text));
});
