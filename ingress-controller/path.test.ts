import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PathMatch } from '../model/index.ts';
import { estimateProgramSize, isLiteral, regexProblem } from '../regex/index.ts';
import { ingestPath } from './path.ts';
import { Report } from './report.ts';

type PathType = 'Exact' | 'Prefix' | 'ImplementationSpecific';

function read(path: string | undefined, pathType: PathType, maxProgramSize = 10_000) {
  const report = new Report({ kind: 'Ingress', namespace: 'default', name: 'web' });
  const backend = { service: undefined, resource: undefined };
  const result = ingestPath({ path, pathType, backend }, ['path'], maxProgramSize, report);
  return { result, codes: report.diagnostics.map(({ code }) => code) };
}

/** What Envoy does with a match that is no regular expression: `path`, `prefix` or `path_separated_prefix`. */
function envoyMatches({ kind, value }: PathMatch, request: string): boolean {
  if (kind === 'exact') return request === value;
  return value === '/' ? request.startsWith('/') : request === value || request.startsWith(`${value}/`);
}

/** The specification, word for word: each element of the path is the same element of the request. */
function specificationMatches(pathType: 'Exact' | 'Prefix', path: string, request: string): boolean {
  if (pathType === 'Exact') return path === request;
  const wanted = path.split('/').filter((element) => element !== '');
  const given = request.split('/').filter((element) => element !== '');
  return wanted.every((element, index) => given[index] === element);
}

/** The table "Examples" of the specification, one path at a time. */
const EXAMPLES: readonly (readonly ['Exact' | 'Prefix', path: string, request: string, matches: boolean])[] = [
  ['Prefix', '/', '/', true],
  ['Prefix', '/', '/anything/at/all', true],
  ['Exact', '/foo', '/foo', true],
  ['Exact', '/foo', '/bar', false],
  ['Exact', '/foo', '/foo/', false],
  ['Exact', '/foo/', '/foo', false],
  ['Prefix', '/foo', '/foo', true],
  ['Prefix', '/foo', '/foo/', true],
  ['Prefix', '/foo/', '/foo', true],
  ['Prefix', '/foo/', '/foo/', true],
  ['Prefix', '/aaa/bb', '/aaa/bbb', false],
  ['Prefix', '/aaa/bbb', '/aaa/bbb', true],
  ['Prefix', '/aaa/bbb/', '/aaa/bbb', true],
  ['Prefix', '/aaa/bbb', '/aaa/bbb/', true],
  ['Prefix', '/aaa/bbb', '/aaa/bbb/ccc', true],
  ['Prefix', '/aaa/bbb', '/aaa/bbbxyz', false],
  ['Prefix', '/aaa', '/aaa/ccc', true],
  ['Prefix', '/aaa', '/ccc', false],
];

describe('paths', () => {
  for (const [pathType, path, request, matches] of EXAMPLES) {
    it(`${pathType} ${path} ${matches ? 'matches' : 'does not match'} ${request}`, () => {
      const { result } = read(path, pathType);
      assert(result.kind === 'usable');
      assert.equal(envoyMatches(result.match, request), matches);
      assert.equal(specificationMatches(pathType, path, request), matches);
    });
  }

  it('match as the specification has it, whatever the path and the request', () => {
    const element = fc.constantFrom('a', 'b', 'aa', 'ab', 'A', 'a.b', '~', '%20');
    const path = fc.tuple(fc.array(element, { maxLength: 3 }), fc.boolean()).map(([elements, slash]) => {
      const joined = `/${elements.join('/')}`;
      return slash && elements.length > 0 ? `${joined}/` : joined;
    });
    fc.assert(
      fc.property(fc.constantFrom('Exact' as const, 'Prefix' as const), path, path, (pathType, wanted, request) => {
        const { result } = read(wanted, pathType);
        assert(result.kind === 'usable');
        assert.equal(envoyMatches(result.match, request), specificationMatches(pathType, wanted, request));
        assert(result.match.kind !== 'prefix' || result.match.value === '/' || !result.match.value.endsWith('/'));
      }),
      { numRuns: 2000 },
    );
  });

  /** As Envoy itself spells the path of such a request when it compares it. */
  const spellings = {
    '/é/ü': '/%C3%A9/%C3%BC',
    '/%C3%A9': '/%C3%A9',
    '/c d': '/c%20d',
    '/%7ea%2Db%5F%41': '/~a-b_A',
    '/%2a%zz%': '/%2a%zz%',
    "/!$&'()*+,;=:@[]": "/!$&'()*+,;=:@[]",
    '/"<>^`{|}\\': '/%22%3C%3E%5E%60%7B%7C%7D%5C',
    '/😀': '/%F0%9F%98%80',
  };
  for (const [path, value] of Object.entries(spellings)) {
    it(`${path} is matched as ${value}`, () => {
      assert.deepEqual(read(path, 'Exact'), { result: { kind: 'usable', match: { kind: 'exact', value } }, codes: [] });
      assert.deepEqual(read(path, 'Prefix'), { result: { kind: 'usable', match: { kind: 'prefix', value } }, codes: [] });
    });
  }

  for (const path of ['/a//b', '/a/./b', '/a/../b', '/a%2fb', '/a%2Fb', '/a/..', '/a/.', '//', '/%2e%2E/a', '/a/%2e']) {
    it(`${path} is refused, and what it matches goes nowhere else`, () => {
      for (const pathType of ['Exact', 'Prefix'] as const) {
        const { result, codes } = read(path, pathType);
        assert.equal(result.kind, 'refused');
        assert.deepEqual(codes, ['InvalidPath']);
      }
    });
  }

  for (const path of [undefined, '', 'foo', '*', '/a?b', '/a#b', '/a\nb', '/a\u0000', '/a\ud800']) {
    it(`${JSON.stringify(path)} is left out as Exact and Prefix`, () => {
      for (const pathType of ['Exact', 'Prefix'] as const) {
        assert.deepEqual(read(path, pathType), { result: { kind: 'unmatchable' }, codes: ['InvalidPath'] });
      }
    });
  }
});

describe('ImplementationSpecific paths', () => {
  it('are regular expressions for the whole path', () => {
    const { result, codes } = read('/v[0-9]+/.*', 'ImplementationSpecific');
    assert.deepEqual(result, { kind: 'usable', match: { kind: 'regex', value: '/v[0-9]+/.*' } });
    assert.deepEqual(codes, []);
  });

  it('match everything where they are empty', () => {
    for (const path of ['', undefined]) {
      assert.deepEqual(read(path, 'ImplementationSpecific').result, { kind: 'usable', match: { kind: 'prefix', value: '/' } });
    }
  });

  it('without special characters match one path, which is said (cilium#30071)', () => {
    for (const path of ['/', '/dashboard']) {
      const { result, codes } = read(path, 'ImplementationSpecific');
      assert.deepEqual(result, { kind: 'usable', match: { kind: 'regex', value: path } });
      assert.deepEqual(codes, ['RegexMatchesOnePath']);
    }
  });

  for (const path of ['/(', '/a**', '/(?=a)', '/(a)\\1', '/a{1001}', 'a', '^/a', '/\\x{100}', '/\\p{Emoji}', '/\\p{LC}', '/\\C', '/\\é']) {
    it(`${path} is left out`, () => {
      assert.deepEqual(read(path, 'ImplementationSpecific'), { result: { kind: 'unmatchable' }, codes: ['InvalidRegex'] });
    });
  }

  it('may not be larger than the settings say, counted as RE2 counts', () => {
    assert.equal(regexProblem('/.{100}', 205), undefined);
    assert.match(regexProblem('/.{100}', 204) ?? '', /205 instructions, more than the 204 allowed/);
    assert.match(regexProblem(`/${'a'.repeat(10_000)}`, 1_000_000) ?? '', /longer than/);
  });

  it('are estimated before they are compiled, since some explode', () => {
    const sizes: readonly (readonly [pattern: string, estimate: number])[] = [
      ['/abc', 4],
      ['/a{10}', 11],
      ['/(ab){10}', 21],
      ['/((ab){10}c){3}', 64],
      ['/(?:x|y)+', 5],
      ['/[a-z]{5}[]a]{2}[[:alpha:]{]{3}', 11],
      ['/\\{2}\\Q{9}a\\E', 8],
      ['/\\pL{3}\\p{Lu}{3}\\x{7f}{3}', 10],
      ['/a{2,}b{,3}', 8],
      [`/${'[^a]{999}'.repeat(400)}`, 399_601],
      ['/((((((a{10}){10}){10}){10}){10}){10})', 1_000_001],
    ];
    for (const [pattern, estimate] of sizes) assert.equal(estimateProgramSize(pattern), estimate, pattern);
    assert.match(regexProblem(`/${'[^a]{999}'.repeat(400)}`, 10_000) ?? '', /compiles to 399601 instructions/);
  });

  it('may be as wrong as they like', () => {
    for (const pattern of [
      `/${'('.repeat(4000)}`,
      `/${')'.repeat(4000)}`,
      `/${'['.repeat(4000)}`,
      `/${'{9}'.repeat(100)}`,
      `/${'\\'.repeat(4095)}`,
    ]) {
      assert.notEqual(regexProblem(pattern, 10_000), undefined);
    }
  });

  it('are literal only without any special character', () => {
    assert.equal(isLiteral('/a/b-c_d~e'), true);
    for (const character of '\\^$.|?*+()[]{}') assert.equal(isLiteral(`/a${character}`), false);
  });
});
