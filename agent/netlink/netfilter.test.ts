import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { type BaseChain, drop, keepSource, markIs, Netfilter, notrack, socketMarkIs, tcpPortWithin } from './index.ts';

enterOwnNetwork();

function nft(...args: readonly string[]): string {
  return execFileSync('nft', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function chain(change: Partial<BaseChain> = {}): BaseChain {
  return { name: 'c', type: 'filter', hook: 'input', priority: -5, rules: [[markIs(0xf00, '==', 0x200), drop()]], ...change };
}

/** What a rule does, and how the tool of the field tells of it. */
const RULES = {
  'a mark': [[markIs(0xf00, '==', 0x200), notrack()], 'prerouting', 'meta mark & 0x00000f00 == 0x00000200 notrack'],
  'not a mark, in the highest bits': [[markIs(0xffff0000 | 0, '!=', 0x80000000 | 0), drop()], 'input', 'meta mark != 0x80000000/16 drop'],
  ports: [[tcpPortWithin(80, 443), drop()], 'input', 'tcp dport 80-443 drop'],
  'the mark of a socket': [[socketMarkIs(0xff, 0x7), drop()], 'input', 'socket mark & 0x000000ff == 0x00000007 drop'],
} as const;

describe('tables of nf_tables', needs('root', 'netns'), () => {
  afterEach(() => nft('flush', 'ruleset'));

  for (const [what, [statements, hook, expected]] of Object.entries(RULES)) {
    test(`a rule on ${what} is what it says`, () => {
      using netfilter = Netfilter.open();
      const table = { name: 'ours', chains: [chain({ hook, rules: [statements] })] };
      netfilter.replaceTable(table);
      const lines = nft('list', 'chain', 'inet', 'ours', 'c')
        .split('\n')
        .map((line) => line.trim());
      assert.deepEqual(lines.slice(2, -3), [`type filter hook ${hook} priority filter - 5; policy accept;`, expected]);
      assert.deepEqual(netfilter.differences(table), new Set());
    });
  }

  test('a chain that translates sources', () => {
    using netfilter = Netfilter.open();
    const rules = [[keepSource('ip')], [keepSource('ip6')]];
    netfilter.replaceTable({ name: 'ours', chains: [chain({ type: 'nat', hook: 'postrouting', priority: 99, rules })] });
    assert.match(nft('list', 'table', 'inet', 'ours'), /priority srcnat - 1;.*\n\s*snat ip to ip saddr\n\s*snat ip6 to ip6 saddr\n/);
  });

  test('another table takes the place of one of that name, and none beside it', () => {
    using netfilter = Netfilter.open();
    nft('add table ip other; add chain ip other c; add table inet ours; add chain inet ours old');
    netfilter.replaceTable({ name: 'ours', chains: [chain()] });
    const text = nft('list', 'ruleset');
    assert.match(text, /table ip other \{\n\tchain c \{\n/);
    assert.doesNotMatch(text, /chain old/);
  });

  test('where the kernel refuses a part, all is as it was', () => {
    using netfilter = Netfilter.open();
    const table = { name: 'ours', chains: [chain()] };
    netfilter.replaceTable(table);
    const before = nft('-a', 'list', 'ruleset');
    // Nothing is translated where packets are forwarded.
    const wrong = { name: 'ours', chains: [chain({ name: 'first' }), chain({ name: 'second', type: 'nat', hook: 'forward' })] };
    assert.throws(() => netfilter.replaceTable(wrong), { name: 'NetlinkError', code: 'refused' });
    assert.equal(nft('-a', 'list', 'ruleset'), before);
    // What comes after is not taken for an answer to it.
    netfilter.deleteTable('ours');
    assert.equal(nft('list', 'ruleset'), '');
    assert.throws(() => netfilter.deleteTable('ours'), { errnoName: 'ENOENT' });
  });

  const CHANGES = {
    'a rule is gone': 'flush chain inet ours c',
    'a rule more': 'add rule inet ours c accept',
    'the same rule, twice': 'add rule inet ours c meta mark & 0xf00 == 0x200 drop',
    'another policy': 'add chain inet ours c { policy drop; }',
    'all of it': 'delete table inet ours',
  };
  for (const [what, change] of Object.entries(CHANGES)) {
    test(`a difference is seen: ${what}`, () => {
      using netfilter = Netfilter.open();
      const table = { name: 'ours', chains: [chain(), chain({ name: 'd', hook: 'output' })] };
      netfilter.replaceTable(table);
      const generation = netfilter.generation();
      assert.deepEqual(netfilter.differences(table), new Set());
      nft(change);
      assert.notEqual(netfilter.generation(), generation);
      assert.deepEqual(netfilter.differences(table), new Set(what === 'all of it' ? ['c', 'd'] : ['c']));
    });
  }

  test('chains and rules of others', () => {
    using netfilter = Netfilter.open();
    nft('add table ip6 f; add chain ip6 f own; add chain ip6 f in { type filter hook input priority 3; policy drop; }');
    nft('add rule ip6 f own iifname "eth7" accept');
    assert.deepEqual(netfilter.baseChains(), [
      { family: 'ip6', table: 'f', name: 'in', type: 'filter', hook: 'input', dropsByDefault: true },
    ]);
    const [rule, ...others] = netfilter.rulesOf({ family: 'ip6', table: 'f' });
    assert.deepEqual(others, []);
    assert.deepEqual(
      rule?.map((expression) => expression.replace(/\(.*/, '')),
      ['meta', 'cmp', 'immediate'],
    );
    assert.ok(rule?.[1]?.includes(Buffer.from('eth7').toString('hex')));
  });
});
