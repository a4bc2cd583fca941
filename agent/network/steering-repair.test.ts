import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { assertAllWell, run, SteeringWorld, setSysctl, snapshot, sysctl } from '../../testkit/steering-world.ts';
import { removeSteeringNetwork } from './index.ts';

enterOwnNetwork();

describe('what others do to the node’s network', needs('root', 'netns', 'ipv6'), () => {
  const CHAINS = ['raw_prerouting', 'raw_output', 'guard_listeners'].map((chain) => `inet sluice ${chain}`);
  const CHANGES: Readonly<Record<string, { readonly change: () => unknown; readonly items: readonly string[] }>> = {
    'nft flush ruleset': {
      change: () => run('nft', 'flush', 'ruleset'),
      items: CHAINS,
    },
    'one rule of a chain': {
      change: () => run('nft', 'flush', 'chain', 'inet', 'sluice', 'raw_output'),
      items: ['inet sluice raw_output'],
    },
    'a rule that comes first': {
      change: () => run('nft', 'insert', 'rule', 'inet', 'sluice', 'guard_listeners', 'accept'),
      items: ['inet sluice guard_listeners'],
    },
    'a table that sleeps': {
      change: () => run('nft', 'add', 'table', 'inet', 'sluice', '{ flags dormant; }'),
      items: CHAINS,
    },
    'a chain beside ours': { change: () => run('nft', 'add', 'chain', 'inet', 'sluice', 'other'), items: ['inet sluice other'] },
    'a rule of IPv4': { change: () => run('ip', 'rule', 'del', 'pref', '11'), items: ['ipv4 rule to table 2004'] },
    'a rule of IPv6': { change: () => run('ip', '-6', 'rule', 'del', 'pref', '11'), items: ['ipv6 rule to table 2004'] },
    'the rule for what Envoy sends itself': {
      change: () => run('ip', 'rule', 'del', 'fwmark', '0xd01/0xf01'),
      items: ['ipv4 rule to table 2005'],
    },
    'the rule of IPv6 for what Envoy sends itself': {
      change: () => run('ip', '-6', 'rule', 'del', 'fwmark', '0xd01/0xf01'),
      items: ['ipv6 rule to table 2005'],
    },
    'the routes': { change: () => run('ip', 'route', 'flush', 'table', '2004'), items: ['ipv4 table 2004'] },
    'the routes of IPv6': { change: () => run('ip', '-6', 'route', 'flush', 'table', '2004'), items: ['ipv6 table 2004'] },
    'the routes for what Envoy sends itself': {
      change: () => run('ip', 'route', 'flush', 'table', '2005'),
      items: ['ipv4 table 2005'],
    },
    'the device is down': { change: () => run('ip', 'link', 'set', 'steer0', 'down'), items: ['steer0'] },
    'its other end is down': {
      change: () => run('ip', 'link', 'set', 'steer1', 'down'),
      items: ['steer1', 'ipv4 table 2005', 'ipv6 table 2005'],
    },
    'smaller packets': { change: () => run('ip', 'link', 'set', 'steer0', 'mtu', '1500', 'arp', 'on'), items: ['steer0'] },
    'a setting of the namespace': { change: () => setSysctl('ipv4/tcp_early_demux', '1'), items: ['net.ipv4.tcp_early_demux'] },
    ports: { change: () => setSysctl('ipv4/ip_local_port_range', '1024 60999'), items: ['net.ipv4.ip_local_port_range'] },
    'a setting of the device': {
      change: () => setSysctl('ipv4/conf/steer0/rp_filter', '1'),
      items: ['net.ipv4.conf.steer0.rp_filter'],
    },
    'IPv6 off at the device': {
      change: () => setSysctl('ipv6/conf/steer0/disable_ipv6', '1'),
      items: ['net.ipv6.conf.steer0.disable_ipv6'],
    },
    'IPv6 off at its other end': {
      change: () => setSysctl('ipv6/conf/steer1/disable_ipv6', '1'),
      items: ['net.ipv6.conf.steer1.disable_ipv6', 'ipv6 table 2005'],
    },
  };
  for (const [what, { change, items }] of Object.entries(CHANGES)) {
    test(`what somebody changes is as it was again, and told of once: ${what}`, async () => {
      using world = new SteeringWorld();
      using network = world.open();
      const { ifindex } = network;
      change();
      await eventually(() => assert.deepEqual(world.restored(), items));
      assertAllWell(network);
      assert.equal(network.ifindex, ifindex);
      // A second look finds nothing to tell.
      assert.deepEqual(network.repair(), []);
      assert.deepEqual([world.events.length, network.state().restored], [1, 1]);
    });
  }

  test('the device is made anew, and whoever has programs on it hears of it', async () => {
    using world = new SteeringWorld();
    using network = world.open();
    const { ifindex } = network;
    run('ip', 'link', 'del', 'steer0');
    await eventually(() => assert.ok(world.restored().includes('steer0')));
    assert.notEqual(network.ifindex, ifindex);
    assert.deepEqual(
      world.events.filter(({ kind }) => kind === 'device'),
      [{ kind: 'device', ifindex: network.ifindex }],
    );
    assertAllWell(network);
  });

  test('clients keep their addresses as soon as somebody translates them, and connections are tracked by nobody’s wish but theirs', async () => {
    using world = new SteeringWorld();
    using network = world.open();
    const isThere = () => run('nft', 'list', 'table', 'inet', 'sluice').includes('chain keep_sources');
    assert.equal(isThere(), false);
    run('nft', 'add table ip plugin; add chain ip plugin post { type nat hook postrouting priority 100; }');
    await eventually(() => assert.equal(isThere(), true));
    assertAllWell(network);
    run('nft', 'delete table ip plugin');
    await eventually(() => assert.equal(isThere(), false));
    assert.deepEqual(world.events, [], 'nobody had changed anything of ours');
  });

  test('where all devices check where packets come from, the mildest check is made, with an address', async () => {
    using world = new SteeringWorld();
    using network = world.open();
    const address = () => run('ip', '-json', '-4', 'address', 'show', 'steer0').includes('192.0.0.8');
    for (const [all, own] of [
      ['1', '2'],
      ['2', '2'],
      ['0', '0'],
    ] as const) {
      setSysctl('ipv4/conf/all/rp_filter', all);
      await eventually(() => assert.equal(sysctl('ipv4/conf/steer0/rp_filter'), own));
      assertAllWell(network);
      if (own === '2') assert.ok(address());
    }
    assert.deepEqual(world.events, []);
  });

  test('a machine that gives up IPv6 has what it needs for IPv4, and again for both', async () => {
    using world = new SteeringWorld();
    const before = snapshot();
    using network = world.open();
    const count = network.list().length;
    setSysctl('ipv6/conf/lo/disable_ipv6', '1');
    try {
      assert.ok(network.list().length < count);
      assert.deepEqual(
        network.list().filter(({ name }) => name.includes('ipv6')),
        [],
      );
      network.repair();
      assertAllWell(network);
    } finally {
      setSysctl('ipv6/conf/lo/disable_ipv6', '0');
    }
    network.repair();
    assertAllWell(network);
    assert.equal(network.list().length, count);
    removeSteeringNetwork(world.options);
    // The kernel made loopback's address anew.
    assert.deepEqual({ ...snapshot(), addresses: 0, routes: 0 }, { ...before, addresses: 0, routes: 0 });
  });

  test('what cannot be put right is told of once, until it can be', async () => {
    using world = new SteeringWorld();
    using network = world.open();
    run('ip', 'link', 'del', 'steer0');
    run('ip', 'link', 'add', 'steer0', 'type', 'bridge');
    const codes = () => world.events.flatMap((event) => (event.kind === 'failed' ? [event.error.code] : []));
    await eventually(() => assert.deepEqual(codes(), ['name-taken']));
    assert.throws(() => network.repair(), { code: 'name-taken' });
    assert.match(network.state().failure ?? '', /somebody else/);
    run('ip', 'link', 'del', 'steer0');
    await eventually(() => assertAllWell(network));
    await eventually(() => assert.equal(network.state().failure, undefined));
    assert.deepEqual(codes(), ['name-taken']);
  });
});
