import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { contains, formatPrefix, parsePrefix } from './prefix.ts';
import { PrefixSet } from './prefix-set.ts';

const SEED = Number(process.env['SLUICE_POLICY_SEED'] ?? Date.now() % 1_000_000);

const CANONICAL: readonly [text: string, canonical: string][] = [
  ['10.1.2.3', '10.1.2.3/32'],
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['255.255.255.255/1', '128.0.0.0/1'],
  ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1/128'],
  ['2001:db8::ffff/32', '2001:db8::/32'],
  ['::/0', '::/0'],
  ['::', '::/128'],
  ['::1.2.3.4', '::1.2.3.4/128'],
  ['fe80::/10', 'fe80::/10'],
];

describe('the canonical form of', () => {
  for (const [text, canonical] of CANONICAL) {
    test(text, () => {
      const prefix = parsePrefix(text);
      assert.equal(prefix && formatPrefix(prefix), canonical);
    });
  }
});

const WRONG = [
  '',
  '10',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '010.0.0.1',
  '::/129',
  '::ffff:1.2.3.4',
  'fe80::1%eth0',
  '10.0.0.0/8/8',
  ' ::',
];

for (const text of WRONG) test(`${JSON.stringify(text)} is no prefix`, () => assert.equal(parsePrefix(text), undefined));

const address = fc.oneof(fc.ipV4(), fc.ipV6()).filter((text) => parsePrefix(text) !== undefined);

test(`what lies in what is as Node has it, from seed ${SEED}`, () => {
  const property = fc.property(address, address, fc.nat(128), (base, other, length) => {
    const isIPv6 = base.includes(':');
    const outer = parsePrefix(`${base}/${isIPv6 ? length : length % 33}`);
    const inner = parsePrefix(other);
    assert.ok(outer && inner);
    if (other.includes(':') !== isIPv6) return assert.equal(contains(outer, inner), false);
    const list = new BlockList();
    const [first = ''] = formatPrefix(outer).split('/');
    list.addSubnet(first, outer.length, isIPv6 ? 'ipv6' : 'ipv4');
    assert.equal(contains(outer, inner), list.check(other, isIPv6 ? 'ipv6' : 'ipv4'));
  });
  fc.assert(property, { seed: SEED, numRuns: 1_000 });
});

test('the longest of a set of prefixes, as they come and go', () => {
  const set = new PrefixSet();
  const prefix = (text: string) => {
    const parsed = parsePrefix(text);
    assert.ok(parsed);
    return parsed;
  };
  const longest = () => {
    const found = set.longest(prefix('10.1.2.3'));
    return found && formatPrefix(found);
  };
  assert.equal(longest(), undefined);
  assert.equal(set.add(prefix('10.0.0.0/8')), true);
  assert.equal(set.add(prefix('10.0.0.0/8')), false);
  assert.equal(longest(), '10.0.0.0/8');
  set.add(prefix('10.1.2.0/24'));
  set.add(prefix('10.1.3.0/24'));
  assert.equal(longest(), '10.1.2.0/24');
  assert.equal(set.remove(prefix('10.1.2.0/24')), true);
  assert.equal(set.remove(prefix('10.0.0.0/8')), false);
  assert.equal(longest(), '10.0.0.0/8');
  assert.equal(set.remove(prefix('10.0.0.0/8')), true);
  assert.equal(longest(), undefined);
});
