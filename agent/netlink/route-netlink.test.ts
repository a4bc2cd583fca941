import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { enterOwnNetwork } from '../../testkit/own-network.ts';
import { type RouteChange, RouteMonitor, RouteNetlink } from './index.ts';

enterOwnNetwork();

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** What iproute2 says, which has a parser of its own. */
function ipJson(...args: readonly string[]): Record<string, unknown>[] {
  return JSON.parse(execFileSync('ip', ['-json', '-details', ...args], { encoding: 'utf8' }));
}

describe('the kernel’s links, addresses, neighbours and routes', needs('root', 'netns'), () => {
  const inside = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  let netlink: RouteNetlink;

  before(async () => {
    // It has its own network as soon as its name has changed.
    await eventually(() => assert.match(execFileSync('cat', [`/proc/${inside.pid}/comm`], { encoding: 'utf8' }), /^sleep/));
    ip('link', 'add', 'br0', 'type', 'bridge');
    ip('link', 'add', 'pod0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(inside.pid));
    ip('link', 'set', 'pod0', 'master', 'br0', 'up');
    ip('link', 'add', 'vx0', 'type', 'vxlan', 'id', '7', 'dev', 'br0', 'dstport', '4789');
    ip('link', 'set', 'br0', 'up');
    ip('address', 'add', '10.1.0.1/24', 'dev', 'br0');
    ip('address', 'add', '10.3.0.1', 'peer', '10.3.0.2/32', 'dev', 'br0');
    ip('-6', 'address', 'add', 'fd00:1::1/64', 'dev', 'br0', 'nodad');
    ip('route', 'add', 'default', 'via', '10.1.0.2');
    ip('route', 'add', '10.9.0.0/16', 'nexthop', 'via', '10.1.0.3', 'nexthop', 'dev', 'pod0');
    ip('route', 'add', 'blackhole', '10.8.0.0/16', 'table', '500');
    ip('neighbour', 'add', '10.1.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'br0');
    const enter = ['--net', '--target', String(inside.pid), 'sh', '-ec'];
    execFileSync('nsenter', [...enter, 'ip link set eth0 address 02:00:00:00:00:07 up; ip address add 10.1.0.7/24 dev eth0']);
    execFileSync('nsenter', [...enter, 'ip -6 address add fd00:1::7/64 dev eth0 nodad; ip link set lo up']);
    netlink = RouteNetlink.open();
  });
  after(() => {
    netlink?.[Symbol.dispose]();
    inside.kill('SIGKILL');
  });

  test('links', () => {
    const links = netlink.links();
    const expected = ipJson('link').map((link) => ({ index: link['ifindex'], name: link['ifname'], mac: link['address'] }));
    assert.deepEqual(
      links.map(({ index, name, mac }) => ({ index, name, mac })),
      expected,
    );
    const named = new Map(links.map((link) => [link.name, link]));
    const [bridge, pod, tunnel, loopback] = ['br0', 'pod0', 'vx0', 'lo'].map((name) => named.get(name));
    assert.deepEqual([bridge?.kind, pod?.kind, tunnel?.kind, loopback?.kind], ['bridge', 'veth', 'vxlan', undefined]);
    assert.deepEqual([bridge?.isUp, tunnel?.isUp, loopback?.isLoopback, bridge?.isLoopback], [true, false, true, false]);
    assert.equal(pod?.master, bridge?.index);
    assert.equal(typeof pod?.lowerNamespace, 'number');
  });

  test('links and addresses at the other end of a veth', () => {
    const pod = netlink.links().find(({ name }) => name === 'pod0');
    assert.ok(pod?.lowerNamespace !== undefined);
    const options = { namespace: pod.lowerNamespace };
    const peer = netlink.links(options).find(({ index }) => index === pod.lowerIndex);
    assert.deepEqual([peer?.name, peer?.mac], ['eth0', '02:00:00:00:00:07']);
    const addresses = netlink.addresses(options).filter(({ index }) => index === pod.lowerIndex);
    assert.deepEqual(addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`).sort(), [
      '10.1.0.7/24',
      'fd00:1::7/64',
      'fe80::ff:fe00:7/64',
    ]);
  });

  test('a namespace that is not there is refused', () => {
    assert.throws(() => netlink.addresses({ namespace: 4_711 }), { name: 'NetlinkError', code: 'refused', errnoName: 'EINVAL' });
    assert.throws(() => netlink.links({ namespace: 4_711 }), { code: 'refused', errnoName: 'EINVAL' });
    assert.ok(netlink.links().length > 0);
  });

  test('addresses', () => {
    const index = netlink.links().find(({ name }) => name === 'br0')?.index;
    const addresses = netlink.addresses().filter((each) => each.index === index);
    const texts = addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`);
    for (const expected of ['10.1.0.1/24', '10.3.0.1/32', 'fd00:1::1/64']) assert.ok(texts.includes(expected), texts.join(' '));
  });

  test('neighbours', () => {
    const found = netlink.neighbours().find(({ address }) => address === '10.1.0.2');
    assert.equal(found?.mac, '02:00:00:00:00:02');
  });

  test('routes', () => {
    const named = new Map(netlink.links().map(({ name, index }) => [name, index]));
    const routes = new Map(netlink.routes().map((route) => [route.prefix, route]));
    assert.deepEqual(routes.get('0.0.0.0/0'), { prefix: '0.0.0.0/0', table: 254, devices: [named.get('br0')] });
    assert.deepEqual(routes.get('10.9.0.0/16')?.devices, [named.get('br0'), named.get('pod0')]);
    assert.deepEqual(routes.get('10.8.0.0/16'), { prefix: '10.8.0.0/16', table: 500, devices: [] });
    assert.deepEqual(routes.get('fd00:1::/64')?.devices, [named.get('br0')]);
  });

  test('changes are told as they happen, those of other namespaces if that is wanted', async () => {
    const changes: RouteChange[] = [];
    const topics = ['link', 'address', 'neighbour', 'route'] as const;
    const fail = () => assert.fail('nothing was lost');
    const elsewhere = new Set<number>();
    const onChange = (change: RouteChange, namespace: number | undefined) => {
      changes.push(change);
      if (namespace !== undefined && change.kind === 'address') elsewhere.add(namespace);
    };
    using monitor = new RouteMonitor({ topics, allNamespaces: true, onChange, onOverrun: fail });
    const own: RouteChange[] = [];
    using other = new RouteMonitor({ topics, onChange: (change) => own.push(change), onOverrun: fail });
    assert.deepEqual([monitor.hearsAllNamespaces, other.hearsAllNamespaces], [true, false]);
    ip('link', 'add', 'late0', 'type', 'bridge');
    ip('address', 'add', '10.7.0.1/24', 'dev', 'br0');
    ip('neighbour', 'add', '10.1.0.3', 'lladdr', '02:00:00:00:00:03', 'dev', 'br0');
    ip('route', 'add', '10.6.0.0/16', 'dev', 'br0');
    ip('link', 'delete', 'late0');
    execFileSync('nsenter', ['--net', '--target', String(inside.pid), 'ip', 'address', 'add', '10.1.0.77/24', 'dev', 'eth0']);
    const seen = (from: readonly RouteChange[]) => ({
      come: from.some((each) => each.kind === 'link' && !each.isGone && each.link.name === 'late0'),
      gone: from.some((each) => each.kind === 'link' && each.isGone && each.link.name === 'late0'),
      address: from.some((each) => each.kind === 'address' && each.address.address === '10.7.0.1'),
      neighbour: from.some((each) => each.kind === 'neighbour' && each.neighbour.mac === '02:00:00:00:00:03'),
      route: from.some((each) => each.kind === 'route' && each.route.prefix === '10.6.0.0/16'),
      inside: from.some((each) => each.kind === 'address' && each.address.address === '10.1.0.77'),
    });
    const all = { come: true, gone: true, address: true, neighbour: true, route: true, inside: true };
    await eventually(() => assert.deepEqual(seen(changes), all));
    await eventually(() => assert.deepEqual(seen(own), { ...all, inside: false }));
    assert.deepEqual([...elsewhere], [netlink.links().find(({ name }) => name === 'pod0')?.lowerNamespace]);
  });

  test('it says so when changes are lost, and goes on', async () => {
    const changes: RouteChange[] = [];
    let overruns = 0;
    const onOverrun = () => {
      overruns += 1;
    };
    using _monitor = new RouteMonitor({ topics: ['link'], receiveBuffer: 1, onChange: (change) => changes.push(change), onOverrun });
    // Nothing is read before this function gives way.
    for (let index = 0; index < 30; index += 1) ip('link', 'set', 'br0', 'mtu', String(1_400 + index));
    await eventually(() => assert.ok(overruns > 0));
    ip('link', 'add', 'after0', 'type', 'bridge');
    await eventually(() => assert.ok(changes.some((each) => each.kind === 'link' && each.link.name === 'after0')));
  });

  test('nothing is asked of a closed one', () => {
    const closed = RouteNetlink.open();
    closed[Symbol.dispose]();
    closed[Symbol.dispose]();
    assert.throws(() => closed.links(), { name: 'NetlinkError', code: 'closed' });
  });
});
