import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EnforcementStatus, Status } from '../../controller/admin/status.ts';
import type { Diagnostic } from '../../model/index.ts';
import { formatClusterReport } from '../text/cluster-report.ts';
import type { AskedCluster, AskedPod } from './asked-cluster.ts';
import { reportCluster } from './cluster-report.ts';

const BASE: Status = {
  role: 'controller',
  version: '0.1.0',
  pid: 1,
  since: '2026-01-01T00:00:00.000Z',
  ready: true,
  objects: {},
  resources: {},
  clients: [],
  findings: { error: 0, warning: 0, info: 0 },
  rejected: [],
};
const LEADS = { namespace: 'sluice-system', leader: 'c-1', isLeader: true, kinds: [], pendingWrites: 0, failingWrites: [] };

function controller(over: Partial<Status> = {}, pod = 'c-1'): AskedPod {
  const clients = [{ node: 'n-1', synced: true, resources: {} }];
  return { pod, node: 'n-1', status: { ...BASE, cluster: LEADS, clients, ...over }, silence: undefined };
}

function agent(over: Partial<Status> = {}, node = 'n-1'): AskedPod {
  const relay = { controller: '10.0.0.1:18000', since: BASE.since };
  const status: Status = { ...BASE, role: 'agent', envoy: { version: '1.40.0', adopted: false }, relay, ...over };
  return { pod: `a-${node}`, node, status, silence: undefined };
}

const WELL: AskedCluster = {
  controllers: [controller()],
  agents: [agent()],
  enforcers: [],
  wantedAgents: 1,
  wantedEnforcers: undefined,
  hostNetwork: undefined,
  envoys: { wanted: 1, ready: 1 },
  diagnostics: [],
};
/** That policies are made of is read. */
const POLICED = controller({ cluster: { ...LEADS, kinds: [{ kind: 'NetworkPolicy', synced: true }] } });

function enforcer(over: Partial<Status> = {}, node = 'n-1'): AskedPod {
  const judged = { namespace: 'shop', name: 'web', identity: 256, labels: [], addresses: ['10.0.0.2'], device: 'veth1' };
  const enforcement = { endpoints: [judged], missing: [], newcomers: [], network: ['eth0'] };
  const relay = { controller: 'unix:/run/sluice/enforcer.sock', since: BASE.since };
  return { pod: `e-${node}`, node, status: { ...BASE, role: 'enforcer', relay, enforcement, ...over }, silence: undefined };
}

const ENFORCED: AskedCluster = {
  ...WELL,
  controllers: [POLICED],
  enforcers: [enforcer()],
  wantedEnforcers: 1,
  hostNetwork: new Map([['n-1', 3]]),
};
const WEB = { namespace: 'shop', name: 'web', identity: 256, labels: [], addresses: [], device: 'veth1' };
const NOTHING_JUDGED = { endpoints: [], missing: [], network: [] };
const EARLY_DEMUX = { name: 'net.ipv4.tcp_early_demux', wanted: '0', found: '1' };
const GUARD = { name: 'inet sluice guard', wanted: 'tcp' };
const READY_SLOT = { name: 'http/ingress/a', port: 10_000, ready: true };
const FINDING: Diagnostic = {
  severity: 'error',
  code: 'ServiceNotFound',
  message: 'Service "api" does not exist',
  object: { kind: 'Ingress', namespace: 'default', name: 'shop' },
  path: ['spec', 'rules', 0],
};

describe('a report of a cluster', () => {
  test('says that all is well, in a line for each part', () => {
    const report = reportCluster({ ...WELL, diagnostics: [FINDING] });
    assert.equal(report.ready, true);
    assert.equal(
      formatClusterReport(report),
      [
        'sluice      ready: everything is in force',
        'controller  c-1, on n-1, 0.1.0, ready, leads',
        'node        n-1, agent 0.1.0, Envoy 1.40.0, in sync',
        'findings    1 error',
        '            Ingress default/shop spec.rules[0]: Service "api" does not exist  [ServiceNotFound]',
        '',
      ].join('\n'),
    );
  });

  test('tells of configs what the controller that leads knows of them', () => {
    const condition = (reason: string) => ({ status: 'True', reason, message: reason }) as const;
    const object = { kind: 'CiliumEnvoyConfig', namespace: 'default', name: 'shop' };
    const config = { ...object, accepted: condition('Accepted'), resolvedRefs: condition('ResolvedRefs') };
    const known = { ...config, programmed: { ...condition('Programmed'), message: '1 of 1 node' }, nodes: { programmed: 1, total: 1 } };
    const follower = controller({ cluster: { ...LEADS, isLeader: false }, configs: [config] }, 'c-2');
    const report = reportCluster({ ...WELL, controllers: [follower, controller({ configs: [known] })] });
    assert.deepEqual(report.configs, [known]);
    assert.match(formatClusterReport(report), /^config {6}CiliumEnvoyConfig default\/shop, accepted, programmed on 1 of 1 node$/m);
    assert.deepEqual(reportCluster({ ...WELL, controllers: [follower] }).configs, [config]);
  });

  test('tells which nodes lost flows, and where', () => {
    const flows = (lost: Record<string, number>) => ({ flows: { remembered: 4, capacity: 16, seen: 9, lost } });
    const agents = [agent(flows({ kernel: 0, reader: 0 })), agent(flows({ kernel: 3, reader: 2 }), 'n-2')];
    const report = reportCluster({ ...WELL, agents });
    assert.deepEqual(
      report.nodes.map(({ lostFlows }) => lostFlows),
      [
        { kernel: 0, reader: 0 },
        { kernel: 3, reader: 2 },
      ],
    );
    const text = formatClusterReport(report);
    assert.match(text, /^node {8}n-1, [^\n]* in sync$/m);
    assert.match(text, /^node {8}n-2, [^\n]*, flows lost: kernel 3, reader 2$/m);
  });

  test('tells what could not begin, which stands in the way of nothing', () => {
    const failing = [{ what: 'export of flows', reason: 'no file' }];
    const report = reportCluster({ ...WELL, agents: [agent({ failing })] });
    assert.deepEqual([report.ready, report.failing.length], [true, 1]);
    assert.match(formatClusterReport(report), /^failing {5}export of flows of \S+: no file$/m);
  });

  test('tells who enforces policies, and what is none of theirs', () => {
    const report = reportCluster(ENFORCED);
    assert.equal(report.ready, true);
    assert.match(formatClusterReport(report), /^enforcer {4}n-1, 0\.1\.0, in force, 1 pod judged, 3 in the network of the node are not$/m);
    assert.deepEqual(report.enforcers, [
      {
        node: 'n-1',
        pod: 'e-n-1',
        version: '0.1.0',
        connected: true,
        ready: true,
        endpoints: 1,
        notEnforced: [],
        hostNetworkPods: 3,
        steeringProblems: [],
        ingressAddresses: [],
        ingressProblems: [],
      },
    ]);
    const unknown = reportCluster({ ...ENFORCED, hostNetwork: undefined });
    assert.equal(unknown.enforcers?.[0]?.hostNetworkPods, undefined);
    assert.equal(unknown.ready, true);
    assert.equal(reportCluster(WELL).enforcers, undefined);
  });

  test('tells as whom Ingresses talk to pods, and where they cannot', () => {
    const report = (ingress: EnforcementStatus['ingress']) =>
      reportCluster({ ...ENFORCED, enforcers: [enforcer({ enforcement: { ...NOTHING_JUDGED, ingress } })] });
    const known = report({ addresses: ['10.244.0.9', 'fd00::9'], pod: 'sluice-system/h', required: true });
    assert.equal(known.ready, true);
    assert.match(formatClusterReport(known), /^enforcer .*, Ingresses as 10\.244\.0\.9 and fd00::9$/m);
    assert.equal(report({ addresses: [], required: false }).ready, true);
    const missing = report({ addresses: [], required: true });
    assert.equal(missing.ready, false);
    assert.match(formatClusterReport(missing), /^Ingresses {3}on n-1: no ingress address: Ingresses reach no pod by this node$/m);
    assert.equal(report({ addresses: ['10.244.0.9'], required: true, failure: 'no cgroup' }).ready, false);
  });

  test('is content with slots that work, and with a network that steers to them', () => {
    const steering = { items: 9, wrong: [], restored: 4 };
    const asked = {
      ...ENFORCED,
      agents: [agent({ slots: [READY_SLOT] })],
      enforcers: [enforcer({ enforcement: { ...NOTHING_JUDGED, steering } })],
    };
    const report = reportCluster(asked);
    assert.equal(report.ready, true);
    assert.match(formatClusterReport(report), /^node {8}n-1, agent 0\.1\.0, Envoy 1\.40\.0, in sync, 1 slot$/m);
  });

  test('waits for no node that serves no Ingress', () => {
    const idle = { ...LEADS, idleNodes: ['n-2'] };
    const agents = [agent(), agent({ ready: false, notReady: 'Envoy does not run' }, 'n-2')];
    const asked = { ...WELL, controllers: [controller({ cluster: idle })], agents, wantedAgents: 2, envoys: { wanted: 2, ready: 1 } };
    const report = reportCluster(asked);
    assert.equal(report.ready, true);
    assert.match(formatClusterReport(report), /node +n-2, .*serves no Ingress, as ingress\.nodes says: Envoy does not run/);
    assert.equal(reportCluster({ ...asked, envoys: { wanted: 2, ready: 0 } }).ready, false);
  });

  const silent: AskedPod = { pod: 'a-n-2', node: 'n-2', status: undefined, silence: 'its container does not run: CrashLoopBackOff' };
  const rejected = [{ type: 'listener', name: 'http', message: 'no', sources: ['Ingress default/shop spec'] }];
  const failing = { ...LEADS, failingWrites: [{ what: 'apply Service/default/x', reason: 'forbidden' }] };
  const cases: readonly [name: string, asked: AskedCluster, pattern: RegExp][] = [
    [
      'nothing is installed',
      { ...WELL, controllers: [], agents: [], wantedAgents: undefined, envoys: undefined },
      /not installed in this namespace/,
    ],
    ['nobody leads', { ...WELL, controllers: [controller({ cluster: { ...LEADS, isLeader: false } })] }, /no controller leads/],
    ['no controller runs', { ...WELL, controllers: [] }, /problem +no controller runs\n.*\nfindings +not known: no controller tells\n/s],
    ['a node has no agent', { ...WELL, wantedAgents: 3, envoys: { wanted: 3, ready: 3 } }, /2 of 3 nodes have no agent/],
    [
      'an agent does not run',
      { ...WELL, agents: [agent(), silent], wantedAgents: 2, envoys: { wanted: 2, ready: 2 } },
      /n-2, does not serve: its container does not run: CrashLoop/,
    ],
    [
      'a controller is not ready',
      { ...WELL, controllers: [controller({ ready: false, notReady: 'Secret is not read yet' })] },
      /not ready: Secret/,
    ],
    [
      'a node has no controller',
      { ...WELL, agents: [agent({ relay: { since: BASE.since, error: 'refused' } }, 'n-2')] },
      /n-2, .*serves, not in sync: no controller: refused; what was good is served/,
    ],
    ['a node lags behind', { ...WELL, agents: [agent({}, 'n-2')] }, /not in sync: its Envoy has not acknowledged everything yet/],
    [
      'Envoy refused something',
      { ...WELL, controllers: [controller({ rejected })] },
      /missing +Ingress default\/shop spec: Envoy refused listener http: no/,
    ],
    [
      'policies are switched on, and nobody enforces them',
      { ...WELL, controllers: [POLICED] },
      /problem +policies are switched on \(policy\.enabled\), and nobody enforces them: there is no DaemonSet sluice-enforcer/,
    ],
    [
      'policies are switched off',
      { ...ENFORCED, controllers: [controller()] },
      /problem +there are enforcers, and policies are switched off/,
    ],
    ['a node has no enforcer', { ...ENFORCED, wantedEnforcers: 2 }, /problem +1 of 2 nodes have no enforcer/],
    [
      'an enforcer does not run',
      { ...ENFORCED, enforcers: [{ ...silent, pod: 'e-n-2' }] },
      /enforcer +n-2, not in force: its container does not run: CrashLoopBackOff\n/,
    ],
    [
      'an enforcer was not told everything',
      { ...ENFORCED, enforcers: [enforcer({ ready: false, notReady: 'the agent has not said everything yet' })] },
      /not in force: the agent has not said everything yet, 1 pod judged/,
    ],
    [
      'an enforcer has no agent',
      { ...ENFORCED, enforcers: [enforcer({ relay: { since: BASE.since, error: 'no such socket' } })] },
      /in force: no agent: no such socket, 1 pod judged/,
    ],
    [
      'a pod is not judged',
      {
        ...ENFORCED,
        enforcers: [enforcer({ enforcement: { endpoints: [{ ...WEB, open: 'hook taken' }], missing: [], newcomers: [], network: [] } })],
      },
      /in force, 0 pods judged, .*\nnot judged {2}shop\/web on n-1: hook taken\n/,
    ],
    [
      'a pod has no device',
      {
        ...ENFORCED,
        enforcers: [enforcer({ enforcement: { endpoints: [], missing: [{ namespace: 'shop', name: 'db' }], newcomers: [], network: [] } })],
      },
      /not judged {2}shop\/db on n-1: no device was found for it\n/,
    ],
    [
      'the network of a node cannot be made as steering needs it',
      {
        ...ENFORCED,
        enforcers: [enforcer({ enforcement: { ...NOTHING_JUDGED, steering: { items: 0, wrong: [], restored: 0, failure: 'no way' } } })],
      },
      /not steered on n-1: no way\n/,
    ],
    [
      'what steering needs is not as it is to be',
      {
        ...ENFORCED,
        enforcers: [enforcer({ enforcement: { ...NOTHING_JUDGED, steering: { items: 9, wrong: [EARLY_DEMUX, GUARD], restored: 4 } } })],
      },
      /not steered on n-1: net\.ipv4\.tcp_early_demux is 1, not 0\nnot steered on n-1: inet sluice guard is not there, not tcp\n/,
    ],
    [
      'Envoy refuses the listener of a slot',
      {
        ...ENFORCED,
        agents: [agent({ slots: [READY_SLOT, { ...READY_SLOT, name: 'http/ingress/b', port: 10_001, ready: false, refusal: 'no' }] })],
      },
      /in sync, 2 slots\ndropped {5}on n-1, what is for slot http\/ingress\/b \(port 10001\): Envoy refused its listener: no\n/,
    ],
    [
      'Envoy refuses the rules of a slot',
      { ...ENFORCED, agents: [agent({ slots: [{ ...READY_SLOT, filterRefusal: 'no' }] })] },
      /outdated {4}on n-1, the rules of slot http\/ingress\/a \(port 10000\): Envoy refused its rules: no\n/,
    ],
    [
      'Envoy does not listen for a slot yet',
      { ...ENFORCED, agents: [agent({ slots: [{ ...READY_SLOT, ready: false }] })] },
      /in sync, 1 slot\ndropped {5}on n-1, what is for slot http\/ingress\/a \(port 10000\): Envoy does not listen for it yet\n/,
    ],
    [
      'an update is under way',
      { ...ENFORCED, enforcers: [enforcer({ version: '0.0.9' })] },
      /problem +enforcers are not of the version 0\.1\.0: 0\.0\.9 on n-1\n/,
    ],
    [
      'something cannot be written',
      { ...WELL, controllers: [controller({ cluster: failing })] },
      /missing +apply Service\/default\/x: forbidden/,
    ],
  ];
  for (const [name, asked, pattern] of cases) {
    test(`is not content where ${name}`, () => {
      const report = reportCluster(asked);
      assert.equal(report.ready, false);
      assert.match(formatClusterReport(report), pattern);
    });
  }
});
