import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { covers, hostProblem, wildcardOf } from './host.ts';

describe('hosts', () => {
  for (const host of ['example.com', 'a', 'a-b.c1.example', '1.example', '*.example.com', '*.com', '999.1.1.1', 'a'.repeat(253)]) {
    it(`${host.slice(0, 40)} is one`, () => assert.equal(hostProblem(host), undefined));
  }

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['Example.com', /lower case/],
    ['10.0.0.1', /not an IP address/],
    ['010.000.000.001', /not an IP address/],
    ['::1', /not an IP address/],
    ['[::1]', /not an IP address/],
    ['example.com:80', /without port/],
    ['*', /wildcard/],
    ['*.*.example.com', /wildcard/],
    ['a.*.com', /wildcard/],
    ['*a.example.com', /wildcard/],
    ['*.', /wildcard/],
    ['example.com.', /DNS name/],
    ['.example.com', /DNS name/],
    ['-a.com', /DNS name/],
    ['a..b', /DNS name/],
    ['exa mple.com', /DNS name/],
    ['bücher.example', /DNS name/],
    ['a/b', /DNS name/],
    [`${'a'.repeat(254)}`, /253/],
  ];
  for (const [host, message] of wrong) {
    it(`${host.slice(0, 40)} is none`, () => assert.match(hostProblem(host) ?? '', message));
  }

  /** The table "Hostname wildcards" of the specification. */
  const wildcards: readonly (readonly [string, string, boolean])[] = [
    ['*.foo.com', 'bar.foo.com', true],
    ['*.foo.com', 'baz.bar.foo.com', false],
    ['*.foo.com', 'foo.com', false],
  ];
  for (const [name, host, covered] of wildcards) {
    it(`${name} ${covered ? 'covers' : 'does not cover'} ${host}`, () => assert.equal(covers(name, host), covered));
  }

  it('have a wildcard unless they are one or have a single label', () => {
    assert.deepEqual(['a.b.c', 'b.c', 'c', '*.b.c', '*'].map(wildcardOf), ['*.b.c', '*.c', undefined, undefined, undefined]);
  });
});
