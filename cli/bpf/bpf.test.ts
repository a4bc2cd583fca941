import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { SteeringNetwork } from '../../agent/network/index.ts';
import { listServices, ServiceDatapath } from '../../bpf/datapath/index.ts';
import { translation } from '../../bpf/datapath/services/testing/service-world.ts';
import { ADDRESSES, allow, CLIENT, closedBut, Judged, LOOPBACK, openBut, verdict, WEB } from '../../bpf/datapath/testing/judged.ts';
import { packet, TCP, tcp } from '../../bpf/datapath/testing/packets.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { needs } from '../../testkit/capabilities.ts';
import { type CommandResult, runSluiceCommand } from '../../testkit/sluice-command.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';

enterOwnNamespaces();

const PINS = '/sys/fs/bpf/sluice';

/** Lines of cells. */
async function table(...args: string[]): Promise<string[][]> {
  const { code, stdout, stderr } = await runSluiceCommand(['bpf', ...args]);
  assert.deepEqual([code, stderr], [0, '']);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
}

async function json(...args: string[]): Promise<unknown> {
  return JSON.parse((await runSluiceCommand(['bpf', ...args, '-o', 'json'])).stdout);
}

describe('what the kernel has, while a process has it open', needs('root', 'bpf'), () => {
  let judged: Judged;
  let services: ServiceDatapath;
  before(async () => {
    judged = await Judged.open();
    await judged.setPolicy(closedBut(allow(CLIENT, 80), verdict('deny', CLIENT, 17, 8_000, 13)), openBut(verdict('deny', 0, 6, 25)));
    const opening = packet({ from: ADDRESSES.client[1], to: ADDRESSES.web[1], protocol: 6 }, tcp(4_000, 80, TCP.SYN));
    assert.equal(judged.outcomeOf('to_pod', opening), 'passed-allowed');
    services = await ServiceDatapath.open({ pinFolder: PINS });
    const backends = [['10.1.0.1', 8_080]] as const;
    await services.apply({
      set: [translation('default/web:80/TCP/IPv4', { frontends: [['192.0.2.1', 80]], backends, affinitySeconds: 60 })],
    });
  });
  after(() => {
    services?.[Symbol.dispose]();
    judged?.datapath[Symbol.dispose]();
  });

  test('bpf ipcache: all addresses, or the prefix that decides about one', async () => {
    const [heads, ...rows] = await table('ipcache');
    assert.deepEqual(heads, ['PREFIX', 'IDENTITY']);
    const identities = new Map(rows.map(([prefix, identity]) => [prefix, identity]));
    assert.deepEqual(
      ['192.0.2.0/24', '10.0.0.1/32', 'fd00:1::2/128'].map((prefix) => identities.get(prefix)),
      ['reserved:world-ipv4', 'reserved:host', String(CLIENT)],
    );
    assert.deepEqual(await json('ipcache', '192.0.2.77'), [{ prefix: '192.0.2.0/24', identity: 9 }]);
    assert.deepEqual(await json('ipcache', '198.51.100.1'), []);
  });

  test('bpf policy: verdicts, what holds for all others, and how often each decided', async () => {
    assert.deepEqual(await table('policy', String(WEB)), [
      ['SUBJECT', 'DIRECTION', 'PEER', 'PROTOCOL', 'PORT', 'DECISION', 'DECIDED'],
      [String(WEB), 'ingress', String(CLIENT), 'TCP', '80', 'allow', '1'],
      [String(WEB), 'ingress', String(CLIENT), 'UDP', '8000-8007', 'deny', '0'],
      [String(WEB), 'ingress', 'others', 'any', 'any', 'deny'],
      [String(WEB), 'egress', 'any', 'TCP', '25', 'deny', '0'],
      [String(WEB), 'egress', 'others', 'any', 'any', 'allow'],
    ]);
    assert.deepEqual(await json('policy', '7'), []);
  });

  test('bpf ct: connections, of one address also', async () => {
    const [, row, ...others] = await table('ct', ADDRESSES.client[1]);
    assert.deepEqual(others, []);
    const ends = [`[${ADDRESSES.web[1]}]:80`, `[${ADDRESSES.client[1]}]:4000`];
    assert.deepEqual(row?.slice(0, 9), ['lo', 'ingress', 'TCP', ...ends, String(CLIENT), 'passed-allowed', 'opening', '1']);
    assert.deepEqual(await json('ct', '10.9.9.9'), []);
  });

  test('bpf lb and bpf metrics', async () => {
    const line = ['default/web:80/TCP/IPv4', 'TCP 192.0.2.1:80', '10.1.0.1:8080', '60s'];
    assert.deepEqual(await table('lb', 'default/web'), [['SERVICE', 'FRONTEND', 'BACKENDS', 'AFFINITY'], line]);
    assert.deepEqual(await json('lb', 'default/other'), []);
    const rows = (await table('metrics')).map(([direction, outcome, count]) => `${direction} ${outcome} ${count}`);
    assert.deepEqual(rows.slice(0, 3), ['DIRECTION OUTCOME COUNT', 'ingress passed-allowed 1', 'service translated 0']);
  });

  test('agent cleanup and enforcer cleanup leave it alone meanwhile, and then nothing of it', async () => {
    judged.datapath.attachPod(LOOPBACK);
    const locked = await runSluiceCommand(['agent', 'cleanup']);
    assert.equal(locked.code, 1);
    assert.match(locked.stderr, /^sluice: another agent has its maps in \/sys\/fs\/bpf\/sluice/);
    assert.equal((await listServices(PINS)).length, 1);
    services[Symbol.dispose]();
    judged.datapath[Symbol.dispose]();
    const nothing: CommandResult = { code: 0, stdout: `there was nothing of Sluice, neither on devices nor in ${PINS}\n`, stderr: '' };
    const done: CommandResult = { code: 0, stdout: `removed the programs of 1 device, and what was in ${PINS}\n`, stderr: '' };
    assert.deepEqual(await runSluiceCommand(['agent', 'cleanup']), done);
    assert.equal(existsSync(PINS), false);
    assert.deepEqual(await runSluiceCommand(['enforcer', 'cleanup']), nothing);
    const { code, stderr } = await runSluiceCommand(['bpf', 'ct']);
    assert.deepEqual([code, stderr], [1, `sluice: nothing judges packets here: there are no tables in ${PINS}\n`]);
    const lb = await runSluiceCommand(['bpf', 'lb']);
    assert.deepEqual([lb.code, lb.stderr], [1, `sluice: nothing translates Services here: there are no tables in ${PINS}\n`]);
  });

  test('cleanup undoes what was done to the network of the node', needs('ipv6'), async () => {
    using folder = new TemporaryFolder();
    const stateFolder = folder.join('state');
    SteeringNetwork.open({ stateFolder, proxyPorts: { first: 10_000, last: 19_999 }, onEvent: () => {} })[Symbol.dispose]();
    const { code, stdout } = await runSluiceCommand(['enforcer', 'cleanup', '--network-state', stateFolder]);
    assert.deepEqual([code, stdout.slice(0, 70)], [0, "of the node's network: removed the rule of IPv4 that leads to table 20"]);
    assert.match(stdout, /, removed the devices steer0 and steer1, net\.ipv4\.tcp_early_demux is 1 again, /);
    assert.equal(existsSync('/sys/class/net/steer0'), false);
    const again = await runSluiceCommand(['agent', 'cleanup', '--network-state', stateFolder, '-o', 'json']);
    assert.deepEqual(JSON.parse(again.stdout), { devices: [], hadPins: false, network: [] });
  });
});
