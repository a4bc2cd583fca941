import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { loadAll } from 'js-yaml';
import { z } from 'zod';
import { compareRights, type RightsManifest, rightsOf } from '../../manifests/rights.ts';
import { readAuditLog } from '../../testkit/audit-log.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import type { RunningLab } from '../lab/index.ts';
import { startPolicedCluster } from './policed-cluster.ts';

const SYSTEM = ['-n', 'sluice-system'];
const WITHIN = { withinMs: 60_000 };
const MANIFESTS = ['install.yaml', 'policy.yaml'].flatMap(
  (file) => loadAll(readFileSync(new URL(`../../manifests/${file}`, import.meta.url), 'utf8')) as readonly RightsManifest[],
);

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'server', namespace: 'default', labels: { app: 'server' } },
  spec: {
    nodeName: 'node-1',
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'main', image: 'lab/host:1', command: ['sleep', '3600'] }],
  },
};
const POLICY = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: { name: 'server', namespace: 'default' },
  spec: {
    endpointSelector: { matchLabels: { app: 'server' } },
    ingress: [{ fromEndpoints: [{ matchLabels: { app: 'friend' } }], toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }] }],
  },
};
const OF_LAYER_7 = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumClusterwideNetworkPolicy',
  metadata: { name: 'layer-7' },
  spec: {
    endpointSelector: { matchLabels: { app: 'nobody' } },
    egress: [{ toFQDNs: [{ matchName: 'example.com' }] }],
  },
};

const report = z.object({
  ready: z.boolean(),
  problems: z.array(z.string()),
  enforcers: z
    .array(
      z.object({
        node: z.string(),
        connected: z.boolean(),
        ready: z.boolean(),
        endpoints: z.int(),
        notEnforced: z.array(z.unknown()),
        hostNetworkPods: z.int(),
      }),
    )
    .optional(),
});

const answer = z.object({ checks: z.array(z.object({ name: z.string(), result: z.string(), found: z.string() })) });

/** What the doctor says, by the name of the check. */
function checksIn(json: string) {
  return new Map(answer.parse(JSON.parse(json)).checks.map((check) => [check.name, check]));
}

describe("Cilium's kinds on a cluster that enforces policies", needs('cluster', 'root', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(1));
  });
  after(() => cleanUp.disposeAsync());

  const ask = async (...args: readonly string[]) => await runSluiceCommand([...args, '--kubeconfig', lab.kubeconfig]);
  const condition = async (kind: string, name: string, type: string) =>
    await lab.kubectl('get', kind, name, '-o', `jsonpath={.status.conditions[?(@.type=="${type}")].reason}`);
  const statusOf = async () => report.parse(JSON.parse((await ask('status', '--cluster', '-o', 'json')).stdout));
  const checksOf = async () => checksIn((await ask('doctor', '-o', 'json')).stdout);

  test('are there once an enforcer is ready, without anybody having applied them', async () => {
    await eventually(() => lab.kubectl('get', 'cnp,ccnp,cec,ccec'), WITHIN);
  });

  test('have policies, which are told what becomes of them', async () => {
    await lab.apply([POD, POLICY, OF_LAYER_7]);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'pod/server');
    await eventually(async () => {
      assert.equal(await condition('cnp', 'server', 'sluice.io/Enforceable'), 'Enforceable');
      assert.equal(await condition('ccnp', 'layer-7', 'sluice.io/Enforceable'), 'PeerNotEnforced');
    }, WITHIN);
    assert.match(await lab.kubectl('get', 'cnp'), /\nserver +\S+ +True\n/);
  });

  test('have enforcers, which `sluice status --cluster` and `sluice doctor` know of', async () => {
    // The pod that is new may not have been found yet.
    await eventually(async () => {
      const { ready, problems, enforcers = [] } = await statusOf();
      assert.deepEqual({ ready, problems }, { ready: true, problems: [] });
      const [enforcer, ...others] = enforcers;
      assert.deepEqual(others, []);
      assert.partialDeepStrictEqual(enforcer, { node: 'node-1', connected: true, ready: true, notEnforced: [] });
      assert.ok((enforcer?.endpoints ?? 0) >= 1, `${enforcer?.endpoints} pods`);
      // At least the enforcer itself and Envoy.
      assert.ok((enforcer?.hostNetworkPods ?? 0) >= 2, `${enforcer?.hostNetworkPods} pods in the network of the node`);
    }, WITHIN);
    const checks = await checksOf();
    for (const name of ['enforcers', 'policy-kinds', 'other-ebpf', 'permissions'])
      assert.equal(checks.get(name)?.result, 'ok', JSON.stringify(checks.get(name)));
    assert.equal(checks.get('enforcers')?.found, 'policies are enforced on 1 of 1 nodes');
  });

  test('are enforced by pods in which the doctor finds all that is needed', async () => {
    const command = ['sh', 'cli/bin/sluice', 'doctor', '--no-cluster', '-o', 'json'];
    const checks = checksIn(await lab.kubectl(...SYSTEM, 'exec', 'daemonset/sluice-enforcer', '--', ...command));
    for (const name of ['capabilities', 'ebpf', 'devices', 'bpf-file-system'])
      assert.equal(checks.get(name)?.result, 'ok', JSON.stringify(checks.get(name)));
  });

  test('are made and told by no other right than those of the manifests', () => {
    const { refused, ungranted, unused } = compareRights(rightsOf(MANIFESTS), readAuditLog(lab.auditLog));
    assert.deepEqual({ refused, ungranted }, { refused: [], ungranted: [] });
    assert.deepEqual(
      unused.filter((right) => /(list|watch|get) .*(ciliumn|ciliumc|ciliume)/.test(right)),
      [],
    );
    const own = readAuditLog(lab.auditLog).filter(({ user }) => user.username === 'system:serviceaccount:sluice-system:sluice-controller');
    const written = own
      .filter(({ verb }) => !['get', 'list', 'watch'].includes(verb))
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}/${objectRef?.subresource}`);
    for (const what of [
      'create customresourcedefinitions/',
      'patch ciliumnetworkpolicies/status',
      'patch ciliumclusterwidenetworkpolicies/status',
    ])
      assert.ok(written.includes(what), `nobody did ${what}`);
  });

  test('stay without enforcers, whose absence is told', async () => {
    await lab.kubectl(...SYSTEM, 'delete', 'daemonset', 'sluice-enforcer', '--wait');
    const { code, stdout } = await ask('status', '--cluster');
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^problem +policies are switched on \(policy\.enabled\), and nobody enforces them: there is no DaemonSet sluice-enforcer$/m,
    );
    assert.equal((await checksOf()).get('enforcers')?.result, 'failed');
    assert.match(await lab.kubectl('get', 'cnp', 'server', '-o', 'name'), /server/);
  });
});
