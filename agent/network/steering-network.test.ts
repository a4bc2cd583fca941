import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { assertAllWell, run, SteeringWorld, setSysctl, snapshot, sysctl } from '../../testkit/steering-world.ts';
import { removeSteeringNetwork } from './index.ts';

enterOwnNetwork();

const MODULE = new URL('./index.ts', import.meta.url).href;

describe('the node’s network for steering', needs('root', 'netns', 'ipv6'), () => {
  test('all that is needed is there, as the tools of the field tell it', () => {
    using world = new SteeringWorld();
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
      assert.match(run('ip', family, 'rule'), /^11:\tfrom all fwmark 0xd01\/0xf01 lookup 2005/m);
      assert.match(run('ip', family, 'route', 'show', 'table', '2005'), /^default dev steer1/);
      const to = (mark: string) => run('ip', family, 'route', 'get', family === '-4' ? '203.0.113.1' : '2001:db8::1', 'mark', mark);
      assert.match(to('0x200'), /^local .* dev lo/);
      // As what has the lower bits, whichever slot it is of.
      assert.match(to('0x27110d01'), /dev steer1/);
    }
    const ruleset = run('nft', 'list', 'table', 'inet', 'sluice');
    assert.match(ruleset, /hook prerouting priority raw;.*\n\s*meta mark & 0x00000f00 == 0x00000200 notrack\n/);
    assert.match(
      ruleset,
      /hook output priority raw;.*\n\s*meta mark & 0x00000f00 == 0x00000200 drop\n\s*meta mark & 0x00000f00 == 0x00000900 notrack\n\s*meta mark & 0x00000f01 == 0x00000d01 notrack\n/,
    );
    assert.match(ruleset, /tcp dport 10000-19999 meta mark & 0x00000f00 != 0x00000200 socket mark & 0x00000f00 == 0x00000a00 drop/);
    assert.equal(sysctl('ipv4/tcp_early_demux'), '0');
    assert.equal(sysctl('ipv4/ip_local_port_range').split(' ')[1], '65535');
    assert.equal(sysctl('ipv4/conf/steer0/accept_local'), '1');
  });

  test('nothing is left of it when it is removed', () => {
    const before = snapshot();
    {
      using world = new SteeringWorld();
      using _network = world.open();
      assert.notDeepEqual(snapshot(), before);
      assert.deepEqual(removeSteeringNetwork(world.options), [
        'removed the rule of IPv4 that leads to table 2004',
        'removed the routes of IPv4 in table 2004',
        'removed the rule of IPv4 that leads to table 2005',
        'removed the routes of IPv4 in table 2005',
        'removed the rule of IPv6 that leads to table 2004',
        'removed the routes of IPv6 in table 2004',
        'removed the rule of IPv6 that leads to table 2005',
        'removed the routes of IPv6 in table 2005',
        'removed the table inet sluice of Netfilter',
        'removed the devices steer0 and steer1',
        'net.ipv4.tcp_early_demux is 1 again',
        'net.ipv4.tcp_tw_reuse is 2 again',
        'net.ipv4.ip_local_port_range is 20000 50000 again',
      ]);
      assert.deepEqual(snapshot(), before);
      assert.deepEqual(removeSteeringNetwork(world.options), []);
      assert.deepEqual(readdirSync(world.options.stateFolder), []);
    }
    assert.deepEqual(snapshot(), before);
  });

  test('the next process goes on with what an older one left, and gives back what was before that one', () => {
    using world = new SteeringWorld();
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

  test('rules and tables of others stay where nothing is ours', () => {
    using world = new SteeringWorld();
    run('ip', 'rule', 'add', 'pref', '11', 'fwmark', '0x200/0xf00', 'lookup', '2004');
    try {
      const before = snapshot();
      assert.deepEqual(removeSteeringNetwork(world.options), []);
      assert.deepEqual(snapshot(), before);
    } finally {
      run('ip', 'rule', 'del', 'pref', '11');
    }
  });

  test('a setting that somebody else has changed since is left alone', () => {
    using world = new SteeringWorld();
    const before = sysctl('ipv4/ip_local_port_range');
    world.open()[Symbol.dispose]();
    setSysctl('ipv4/ip_local_port_range', '30000 60000');
    removeSteeringNetwork(world.options);
    assert.equal(sysctl('ipv4/ip_local_port_range'), '30000 60000');
    setSysctl('ipv4/ip_local_port_range', before);
  });

  test('a setting becomes what somebody else made it last', () => {
    using world = new SteeringWorld();
    world.open()[Symbol.dispose]();
    setSysctl('ipv4/ip_local_port_range', '30000 60000');
    world.open()[Symbol.dispose]();
    assert.equal(sysctl('ipv4/ip_local_port_range'), '30000 65535');
    assert.ok(removeSteeringNetwork(world.options).includes('net.ipv4.ip_local_port_range is 30000 60000 again'));
    assert.equal(sysctl('ipv4/ip_local_port_range'), '30000 60000');
  });

  for (const { before, made } of [
    { before: '', made: '10000-19999' },
    { before: '8080,9148', made: '8080,9148,10000-19999' },
    { before: '9990-10010,19000-20001,30000', made: '9990-20001,30000' },
    { before: '9999,20000', made: '9999-20000' },
  ]) {
    test(`where connections may have ports of listeners, these are reserved beside "${before}"`, () => {
      using world = new SteeringWorld();
      setSysctl('ipv4/ip_local_port_range', '1024 65535');
      setSysctl('ipv4/ip_local_reserved_ports', `${before}\n`);
      using network = world.open();
      assert.equal(sysctl('ipv4/ip_local_reserved_ports'), made);
      assertAllWell(network);
      assert.deepEqual(network.repair(), []);
      removeSteeringNetwork(world.options);
      assert.equal(sysctl('ipv4/ip_local_reserved_ports'), before);
    });
  }

  test('a record of an earlier boot says nothing', () => {
    using world = new SteeringWorld();
    world.open()[Symbol.dispose]();
    const [name = ''] = readdirSync(world.options.stateFolder);
    const file = join(world.options.stateFolder, name);
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8')).sysctls), [
      'ipv4/tcp_early_demux',
      'ipv4/tcp_tw_reuse',
      'ipv4/ip_local_port_range',
    ]);
    writeFileSync(file, JSON.stringify({ boot: 'another', sysctls: { 'ipv4/tcp_early_demux': { before: '1', made: '0' } } }));
    const removed = removeSteeringNetwork(world.options);
    assert.ok(removed.includes('removed the devices steer0 and steer1'));
    assert.deepEqual(
      removed.filter((text) => text.includes('again')),
      [],
    );
    setSysctl('ipv4/tcp_early_demux', '1');
    setSysctl('ipv4/tcp_tw_reuse', '2');
  });

  test('a device of somebody else is left alone, and what is there by then can be taken away', () => {
    using world = new SteeringWorld();
    const before = snapshot();
    run('ip', 'link', 'add', 'steer0', 'type', 'bridge');
    try {
      assert.throws(() => world.open(), {
        name: 'SteeringNetworkError',
        code: 'name-taken',
        message: "steer0 is bridge of somebody else: remove or rename it, that name is Sluice's",
      });
      assert.equal(sysctl('ipv4/tcp_early_demux'), '0');
      assert.deepEqual(removeSteeringNetwork(world.options), [
        'net.ipv4.tcp_early_demux is 1 again',
        'net.ipv4.tcp_tw_reuse is 2 again',
        'net.ipv4.ip_local_port_range is 20000 50000 again',
      ]);
    } finally {
      run('ip', 'link', 'del', 'steer0');
    }
    assert.deepEqual(snapshot(), before);
  });

  test('whenever a process is killed, what was before comes back', async () => {
    using world = new SteeringWorld();
    const before = snapshot();
    const seed = Math.floor(Math.random() * 2 ** 32);
    const script = `
      const { SteeringNetwork } = await import(${JSON.stringify(MODULE)});
      console.log('opening');
      SteeringNetwork.open({ stateFolder: ${JSON.stringify(world.options.stateFolder)}, proxyPorts: { first: 1, last: 2 }, onEvent: () => {} });
      setInterval(() => {}, 1000);`;
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      // Opening takes so long.
      await sleep(((seed >>> (round * 5)) % 32) / 2);
      child.kill('SIGKILL');
      await once(child, 'exit');
      if (round % 2 === 0) continue;
      removeSteeringNetwork(world.options);
      assert.deepEqual(snapshot(), before, `seed ${seed}, round ${round}`);
    }
    using network = world.open();
    assertAllWell(network);
  });

  test('each network namespace remembers its own, in one folder', () => {
    using world = new SteeringWorld();
    world.open()[Symbol.dispose]();
    const { stateFolder } = world.options;
    const script = `
      const { removeSteeringNetwork, SteeringNetwork } = await import(${JSON.stringify(MODULE)});
      const options = { stateFolder: ${JSON.stringify(stateFolder)}, proxyPorts: { first: 1, last: 2 }, onEvent: () => {} };
      console.log(removeSteeringNetwork(options).length);
      SteeringNetwork.open(options)[Symbol.dispose]();
      console.log(removeSteeringNetwork(options).at(-1));`;
    const command = ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh', process.execPath];
    assert.equal(run(...command, '--input-type=module', '--eval', script), '0\nnet.ipv4.ip_local_port_range is 32768 60999 again\n');
    assert.equal(readdirSync(stateFolder).length, 1);
    assert.equal(removeSteeringNetwork(world.options).at(-1), 'net.ipv4.ip_local_port_range is 20000 50000 again');
  });
});
