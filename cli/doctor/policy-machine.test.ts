import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { ObjectSpec } from 'libbpf-ts';
import { z } from 'zod';
import type { NetworkItem, SteeringObstacle } from '../../agent/network/index.ts';
import { ifindexOf, sh } from '../../bpf/datapath/testing/pod-network.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { needs } from '../../testkit/capabilities.ts';
import { SteeringWorld } from '../../testkit/steering-world.ts';
import type { MachineFacts } from './machine.ts';
import { checkPolicyMachine, type KernelFacts } from './policy-machine.ts';
import type { SteeringFacts } from './steering.ts';

enterOwnNamespaces();

class KernelError extends Error {
  readonly code = 'refused';
}

const ALL = '000001ffffffffff';
/** Without NET_BROADCAST, PERFMON and all. */
const [QUIET, BLIND, NONE] = ['000001fffffff7ff', '000001bfffffffff', '0000000000000000'];

const NOTHING_STEERED: SteeringFacts = { items: () => undefined, obstacles: () => [], whyNoSysctls: () => undefined };
const STEER0: NetworkItem = { kind: 'device', name: 'steer0', wanted: 'veth', found: undefined };
const RULE: NetworkItem = { kind: 'rule', name: 'ipv4 rule', wanted: '11', found: '11' };
const FIREWALL: SteeringObstacle = { found: 'a firewall', todo: 'tell it' };

const WELL: KernelFacts = {
  missingFeatures: () => ({ policy: [], services: [] }),
  obstacles: () => new Map(),
  rootCgroup: () => '/sys/fs/cgroup',
  steering: NOTHING_STEERED,
  taken: () => [],
};

function check(capabilities: string, kernel: Partial<KernelFacts> = {}) {
  const machine: MachineFacts = {
    kernelRelease: '6.1.0',
    memoryMb: 1024,
    read: () => `Name:\tnode\nCapEff:\t${capabilities}\n`,
    exists: () => true,
  };
  return checkPolicyMachine(machine, { ...WELL, ...kernel });
}

const refuse = () => {
  throw new KernelError('why');
};

for (const [what, capabilities, kernel, names, wrong] of [
  ['all is well', ALL, {}, 7, {}],
  ['new pods are found late', QUIET, {}, 7, {}],
  ['nobody asks it to', NONE, { missingFeatures: refuse, obstacles: refuse }, 2, {}],
  ['a capability is lacking', BLIND, { missingFeatures: refuse }, 2, { capabilities: /^no PERFMON$/ }],
  [
    'the kernel is old',
    ALL,
    { missingFeatures: () => ({ policy: ['maps of the type lpmTrie'], services: [] }) },
    7,
    { ebpf: /^the kernel has no maps of the type lpmTrie$/ },
  ],
  [
    'Services are not translated',
    ALL,
    { missingFeatures: () => ({ policy: [], services: ['programs such as cgroup/connect4'] }) },
    7,
    { ebpf: /^the kernel has no programs such as cgroup\/connect4$/ },
  ],
  ['the kernel is not asked', ALL, { missingFeatures: refuse, obstacles: refuse }, 7, { ebpf: /^why$/, devices: /^why$/ }],
  [
    'devices are taken',
    ALL,
    { obstacles: () => new Map(['a', 'b', 'c', 'd'].map((name) => [name, 'is taken'])) },
    7,
    { devices: /^a: is taken, b: is taken, c: is taken and 1 more$/ },
  ],
  [
    'steering is broken',
    ALL,
    { steering: { ...NOTHING_STEERED, items: () => [STEER0, RULE] } },
    7,
    { steering: /^steer0 is not there, not veth$/ },
  ],
  [
    'settings cannot be changed, and a firewall is there',
    ALL,
    { steering: { ...NOTHING_STEERED, whyNoSysctls: () => 'why', obstacles: () => [FIREWALL] } },
    7,
    { steering: /^why$/, firewall: /^a firewall$/ },
  ],
  [
    'nobody may ask of the network',
    ALL,
    { steering: { ...NOTHING_STEERED, items: refuse, obstacles: refuse } },
    7,
    { steering: /^why$/, firewall: /^why$/ },
  ],
  ['a part of the tree is seen', ALL, { rootCgroup: refuse }, 7, { 'cgroup-v2': /^why$/ }],
] as const) {
  test(`a machine to enforce policies on, where ${what}`, () => {
    const results = check(capabilities, kernel);
    assert.equal(results.length, names);
    const found = results.filter(({ result }) => result !== 'ok');
    assert.deepEqual(
      found.map(({ name }) => name),
      Object.keys(wrong),
    );
    for (const [name, pattern] of Object.entries<RegExp>(wrong)) {
      const { result, found: said = '', todo } = found.find((each) => each.name === name) ?? {};
      assert.equal(result, 'warning');
      assert.match(said, pattern);
      assert.notEqual(todo, undefined);
    }
  });
}

test('what is no finding is not hidden', () => {
  const obstacles = () => {
    throw new TypeError('a mistake');
  };
  assert.throws(() => check(ALL, { obstacles }), /a mistake/);
});

const answer = z.object({ checks: z.array(z.object({ name: z.string(), result: z.string(), found: z.string() })) });
const OBJECT = new URL('../../bpf/programs/gen/policy.bpf.o', import.meta.url).pathname;
const SLUICE = new URL('../bin/sluice', import.meta.url).pathname;

describe('the doctor on this machine', needs('root', 'bpf'), () => {
  before(() => sh('ip link add limited type veth peer name free; ip link add taken type veth peer name other'));
  after(() => sh('ip link del limited; ip link del taken'));

  /** @param capabilities of setpriv's names, `-bpf` for all but one */
  const ask = (capabilities = '+all') => {
    const dropped = capabilities === '+all' ? [] : ['--bounding-set', capabilities, '--inh-caps', capabilities];
    const { stdout, stderr } = spawnSync('setpriv', [...dropped, SLUICE, 'doctor', '--no-cluster', '-o', 'json'], { encoding: 'utf8' });
    assert.notEqual(stdout, '', stderr);
    return new Map(answer.parse(JSON.parse(stdout)).checks.map((each) => [each.name, each]));
  };

  test('finds all that policies need', () => {
    const checks = ask();
    // Where this is a container it sees a part of the cgroup tree only.
    assert.ok(checks.has('cgroup-v2'));
    for (const name of ['capabilities', 'ebpf', 'devices', 'bpf-file-system'])
      assert.equal(checks.get(name)?.result, 'ok', JSON.stringify(checks.get(name)));
  });

  test('names devices at which somebody else stands in the way', async () => {
    sh('tc qdisc add dev limited ingress');
    using spec = ObjectSpec.open(OBJECT);
    using loaded = await spec.load();
    const filter = loaded
      .program('from_network')
      .attachToDevice({ ifindex: ifindexOf('taken'), direction: 'egress', priority: 50_000, handle: 9 });
    const { result, found = '' } = ask().get('devices') ?? {};
    assert.equal(result, 'warning');
    assert.match(found, /\blimited: device \d+ has the queueing discipline ingress/);
    assert.match(found, /\btaken: device \d+ has the eBPF program from_network/);
    assert.doesNotMatch(found, /\b(free|other): /);
    filter[Symbol.dispose]();
    sh('tc qdisc del dev limited ingress');
    assert.equal(ask().get('devices')?.result, 'ok');
  });

  test('tells whether what steers packets is there, and who would drop them', needs('netns', 'ipv6'), () => {
    assert.match(ask().get('steering')?.found ?? '', /^nothing is steered to Envoy, and could be$/);
    using world = new SteeringWorld();
    world.open()[Symbol.dispose]();
    assert.match(
      ask().get('steering')?.found ?? '',
      /^all that steers packets to Envoy is there: sysctl \d+, device 2, netfilter 3, route 4, rule 4$/,
    );
    sh('ip rule del pref 11; nft add table ip filter; nft add chain ip filter INPUT "{ type filter hook input priority 0; policy drop; }"');
    const checks = ask();
    assert.equal(checks.get('steering')?.found, 'ipv4 rule to table 2004 is not there, not 11: fwmark 0x200/0xf00 lookup 2004');
    assert.equal(checks.get('firewall')?.found, 'the chain INPUT of the table ip filter drops what none of its rules accepts');
    sh('nft delete table ip filter');
  });

  test('names a capability that is lacking, and asks no further', () => {
    const checks = ask('-bpf');
    assert.deepEqual(checks.get('capabilities'), { name: 'capabilities', result: 'warning', found: 'no BPF' });
    assert.equal(checks.has('ebpf'), false);
  });
});
