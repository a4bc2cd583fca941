import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { isAsWanted, removeSteeringNetwork, SteeringNetwork, type SteeringNetworkEvent } from './index.ts';

enterOwnNetwork();

const PROXY_PORTS = { first: 10_000, last: 19_999 };
const NODE_SYSCTLS = ['ipv4/tcp_early_demux', 'ipv4/ip_local_port_range', 'ipv4/conf/all/rp_filter'];

function run(...[command = '', ...args]: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function sysctl(path: string): string {
  return readFileSync(`/proc/sys/net/${path}`, 'utf8').trim().replaceAll('\t', ' ');
}

function setSysctl(path: string, value: string): void {
  writeFileSync(`/proc/sys/net/${path}`, value);
}

/** All of this namespace that could have been changed, as the tools of the field tell it. */
function snapshot(): Record<string, unknown> {
  return {
    links: run('ip', '-json', '-details', 'link'),
    addresses: run('ip', '-json', 'address'),
    rules: [run('ip', '-json', 'rule'), run('ip', '-6', '-json', 'rule')],
    routes: [run('ip', '-json', 'route', 'show', 'table', 'all'), run('ip', '-6', '-json', 'route', 'show', 'table', 'all')],
    ruleset: run('nft', '-j', 'list', 'ruleset'),
    sysctls: NODE_SYSCTLS.map(sysctl),
  };
}

/** A steering network in a folder of its own, which is gone at the end. */
class World implements Disposable {
  readonly folder = new TemporaryFolder();
  readonly events: SteeringNetworkEvent[] = [];
  readonly options = {
    stateFolder: this.folder.join('state'),
    proxyPorts: PROXY_PORTS,
    onEvent: (event: SteeringNetworkEvent) => this.events.push(event),
  };

  open(): SteeringNetwork {
    return SteeringNetwork.open(this.options);
  }

  restored(): readonly string[] {
    return this.events.flatMap((event) => (event.kind === 'restored' ? event.items.map(({ name }) => name) : []));
  }

  [Symbol.dispose](): void {
    removeSteeringNetwork(this.options);
    this.folder.dispose();
  }
}

function assertAllWell(network: SteeringNetwork): void {
  assert.deepEqual(
    network.list().filter((item) => !isAsWanted(item)),
    [],
  );
}

describe('the node’s network for steering', needs('root', 'netns', 'ipv6'), () => {
  test('all that is needed is there, as the tools of the field tell it', () => {
    using world = new World();
    using network = world.open();
    assertAllWell(network);
    const [device] = JSON.parse(run('ip', '-json', '-details', 'link', 'show', 'steer0'));
    assert.deepEqual(
      [device.ifindex, device.link, device.mtu, device.linkinfo.info_kind, device.inet6_addr_gen_mode],
      [network.ifindex, 'steer1', 65_535, 'veth', 'none'],
    );
    assert.ok(device.flags.includes('UP') && device.flags.includes('NOARP'), device.flags.join());
    assert.equal(run('ip', '-json', 'address', 'show', 'steer0').includes('"local"'), false, 'no address');
    for (const family of ['-4', '-6']) {
      assert.match(run('ip', family, 'rule'), /^11:\tfrom all fwmark 0x200\/0xf00 lookup 2004/m);
      assert.match(run('ip', family, 'route', 'show', 'table', '2004'), /^local default dev lo/);
      assert.match(run('ip', family, 'route', 'get', family === '-4' ? '203.0.113.1' : '2001:db8::1', 'mark', '0x200'), /^local .* dev lo/);
    }
    const ruleset = run('nft', 'list', 'table', 'inet', 'sluice');
    assert.match(ruleset, /hook prerouting priority raw;.*\n\s*meta mark & 0x00000f00 == 0x00000200 notrack\n/);
    assert.match(ruleset, /hook output priority raw;.*\n\s*meta mark & 0x00000f00 == 0x00000900 notrack\n/);
    assert.match(ruleset, /tcp dport 10000-19999 meta mark & 0x00000f00 != 0x00000200 socket mark & 0x00000f00 == 0x00000a00 drop/);
    assert.equal(sysctl('ipv4/tcp_early_demux'), '0');
    assert.equal(sysctl('ipv4/ip_local_port_range').split(' ')[1], '65535');
    assert.equal(sysctl('ipv4/conf/steer0/accept_local'), '1');
  });

  test('nothing is left of it when it is removed', () => {
    setSysctl('ipv4/ip_local_port_range', '20000 50000');
    const before = snapshot();
    {
      using world = new World();
      using _network = world.open();
      assert.notDeepEqual(snapshot(), before);
      assert.deepEqual(removeSteeringNetwork(world.options), [
        'the rule of IPv4 that leads to table 2004',
        'table 2004 of IPv4',
        'the rule of IPv6 that leads to table 2004',
        'table 2004 of IPv6',
        'the table inet sluice of Netfilter',
        'the devices steer0 and steer1',
        'net.ipv4.tcp_early_demux is 1 again',
        'net.ipv4.ip_local_port_range is 20000 50000 again',
      ]);
      assert.deepEqual(snapshot(), before);
      assert.deepEqual(removeSteeringNetwork(world.options), []);
      assert.equal(existsSync(world.folder.join('state/network.json')), false);
    }
    assert.deepEqual(snapshot(), before);
  });

  const CHANGES: Readonly<Record<string, { readonly change: () => unknown; readonly items: readonly string[] }>> = {
    'nft flush ruleset': {
      change: () => run('nft', 'flush', 'ruleset'),
      items: ['raw_prerouting', 'raw_output', 'guard_listeners', 'keep_sources'].map((chain) => `inet sluice ${chain}`),
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
      items: ['raw_prerouting', 'raw_output', 'guard_listeners', 'keep_sources'].map((chain) => `inet sluice ${chain}`),
    },
    'a chain beside ours': { change: () => run('nft', 'add', 'chain', 'inet', 'sluice', 'other'), items: ['inet sluice other'] },
    'a rule of IPv4': { change: () => run('ip', 'rule', 'del', 'pref', '11'), items: ['ipv4 rule'] },
    'a rule of IPv6': { change: () => run('ip', '-6', 'rule', 'del', 'pref', '11'), items: ['ipv6 rule'] },
    'the routes': { change: () => run('ip', 'route', 'flush', 'table', '2004'), items: ['ipv4 table 2004'] },
    'the routes of IPv6': { change: () => run('ip', '-6', 'route', 'flush', 'table', '2004'), items: ['ipv6 table 2004'] },
    'the device is down': { change: () => run('ip', 'link', 'set', 'steer0', 'down'), items: ['steer0'] },
    'its other end is down': { change: () => run('ip', 'link', 'set', 'steer1', 'down'), items: ['steer1'] },
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
  };
  for (const [what, { change, items }] of Object.entries(CHANGES)) {
    test(`what somebody changes is as it was again, and told of once: ${what}`, async () => {
      using world = new World();
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
    using world = new World();
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

  test('the next process goes on with what an older one left, and gives back what was before that one', () => {
    using world = new World();
    const before = snapshot();
    const first = world.open();
    const { ifindex } = first;
    first[Symbol.dispose]();
    run('ip', 'rule', 'del', 'pref', '11');
    setSysctl('ipv4/tcp_early_demux', '1');
    using second = world.open();
    assertAllWell(second);
    assert.equal(second.ifindex, ifindex);
    removeSteeringNetwork(world.options);
    assert.deepEqual(snapshot(), before);
  });
});
