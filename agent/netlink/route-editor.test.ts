import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { RouteEditor, RuleWatch } from './index.ts';

enterOwnNetwork();

const FAMILIES = ['ipv4', 'ipv6'] as const;
const LOOPBACK = 1;
const REFUSED = { name: 'NetlinkError', code: 'refused' };

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

describe('links, addresses, rules and routes are changed', needs('root', 'netns', 'ipv6'), () => {
  test('a pair of devices', () => {
    using editor = RouteEditor.open();
    assert.equal(editor.findLink('left'), undefined);
    editor.addVeth('left', 'right', 9_000);
    assert.throws(() => editor.addVeth('left', 'third', 9_000), { ...REFUSED, errnoName: 'EEXIST' });
    const [left, right] = [editor.findLink('left'), editor.findLink('right')];
    assert.ok(left && right);
    assert.deepEqual([left.kind, left.isUp, left.usesArp, left.mtu, left.lowerIndex], ['veth', false, true, 9_000, right.index]);
    editor.bringUp(left.index, 1_400);
    const { isUp, usesArp, mtu } = editor.findLink('left') ?? {};
    assert.deepEqual([isUp, usesArp, mtu], [true, false, 1_400]);
    editor.addHostAddress(left.index, '192.0.0.8');
    assert.match(ip('address', 'show', 'left'), /inet 192\.0\.0\.8\/32 scope host noprefixroute left/);
    editor.deleteLink(left.index);
    assert.equal(editor.findLink('right'), undefined);
    assert.throws(() => editor.deleteLink(left.index), { ...REFUSED, errnoName: 'ENODEV' });
  });

  for (const family of FAMILIES) {
    const flag = family === 'ipv4' ? '-4' : '-6';
    test(`a rule of ${family}`, () => {
      using editor = RouteEditor.open();
      const rule = { family, priority: 77, mark: 0x300, mask: 0xf00, table: 4_711 } as const;
      const others = [{ priority: 78 }, { mark: 0x200 }, { mask: 0xfff }, { table: 1 }].map((change) => ({ ...rule, ...change }));
      for (const other of others) editor.addRule(other);
      assert.equal(editor.hasRule(rule), false);
      editor.addRule(rule);
      assert.equal(editor.hasRule(rule), true);
      assert.throws(() => editor.addRule(rule), { errnoName: 'EEXIST' });
      assert.match(ip(flag, '-details', 'rule'), /^77:\tfrom all fwmark 0x300\/0xf00 lookup 4711 proto kernel/m);
      editor.deleteRule(rule);
      assert.equal(editor.hasRule(rule), false);
      assert.throws(() => editor.deleteRule(rule), { errnoName: 'ENOENT' });
      for (const other of others) editor.deleteRule(other);
    });

    test(`a route of ${family} by which everything is local`, () => {
      using editor = RouteEditor.open();
      const route = { family, table: 4_711, type: 'local', ifindex: LOOPBACK } as const;
      assert.equal(editor.hasRoute(route), false, 'there is no such table');
      ip(flag, 'route', 'add', 'default', 'dev', 'lo', 'table', '4711');
      assert.equal(editor.hasRoute(route), false, 'that one leads on');
      ip(flag, 'route', 'flush', 'table', '4711');
      editor.addRoute(route);
      assert.equal(editor.hasRoute(route), true);
      assert.equal(editor.hasRoute({ ...route, table: 4_712 }), false);
      assert.throws(() => editor.addRoute(route), { errnoName: 'EEXIST' });
      assert.match(ip(flag, 'route', 'show', 'table', '4711'), /^local default dev lo proto kernel/);
      editor.deleteRoute(route);
      assert.equal(editor.hasRoute(route), false);
      assert.throws(() => editor.deleteRoute(route), { errnoName: family === 'ipv4' ? 'ESRCH' : 'ENOENT' });
    });

    test(`a route of ${family} by which everything is behind a device`, () => {
      using editor = RouteEditor.open();
      const route = { family, table: 4_711, type: 'unicast', ifindex: LOOPBACK } as const;
      editor.addRoute(route);
      assert.equal(editor.hasRoute(route), true);
      assert.equal(editor.hasRoute({ ...route, type: 'local' }), false);
      assert.match(ip(flag, 'route', 'show', 'table', '4711'), /^default dev lo proto kernel/);
      editor.deleteRoute(route);
      assert.equal(editor.hasRoute(route), false);
    });

    test(`whoever watches hears of rules of ${family}`, async () => {
      let heard = 0;
      using _watch = new RuleWatch(() => {
        heard += 1;
      });
      ip(flag, 'rule', 'add', 'pref', '9', 'lookup', 'main');
      await eventually(() => assert.equal(heard > 0, true));
      ip(flag, 'rule', 'del', 'pref', '9');
    });
  }
});
