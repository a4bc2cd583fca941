import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { EnforcerProcess } from './enforcer-process.ts';
import { type Expectation, untilHeard } from './hear.ts';
import { type Load, loadPod, readLoad } from './load.ts';
import { restartNode } from './node-restart.ts';
import { addressOf, answeringPod, untilReady } from './pods.ts';
import { startPolicedCluster } from './policed-cluster.ts';

const ALLOWED_PORT = 8080;
const STREAM_PORT = 8081;
const DENIED_PORT = 8082;
const WITHIN = { withinMs: 120_000 };
/** Of each kind, by each pod, while something happens. */
const MIN_ATTEMPTS = 10;

const POLICY = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'server', namespace: 'default' },
  spec: {
    podSelector: { matchLabels: { app: 'server' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'load' } } }], ports: [{ port: ALLOWED_PORT }, { port: STREAM_PORT }] }],
  },
};

describe('connections while those who enforce policy come and go', { ...needs('cluster', 'root', 'bpf'), timeout: 900_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  let enforcers: readonly EnforcerProcess[];
  let address: string;
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(2));
    enforcers = lab.nodes.map(({ name }) => new EnforcerProcess(lab, name));
    await lab.apply([
      POLICY,
      answeringPod({
        name: 'server',
        node: 'node-1',
        labels: { app: 'server' },
        ports: [ALLOWED_PORT, DENIED_PORT],
        streamPorts: [STREAM_PORT],
      }),
      answeringPod({ name: 'friend', node: 'node-2', labels: { app: 'load' }, ports: [ALLOWED_PORT] }),
    ]);
    await untilReady(lab, 'server', 'friend');
    await untilPoliced();
    await lab.apply(lab.nodes.map(({ name }) => loadPod(`load-${name}`, name, loadTarget())));
    await untilReady(lab, ...lab.nodes.map(({ name }) => `load-${name}`));
  });
  after(() => cleanUp.disposeAsync());

  const loadTarget = () => ({ address, allowedPort: ALLOWED_PORT, streamPort: STREAM_PORT, deniedPort: DENIED_PORT });

  async function untilPoliced(): Promise<void> {
    address = await addressOf(lab, 'server');
    const expected: readonly Expectation[] = [
      ['friend', { host: address, port: ALLOWED_PORT }, 'server'],
      ['friend', { host: address, port: DENIED_PORT }, 'timeout'],
      ['server', { host: await addressOf(lab, 'friend'), port: ALLOWED_PORT }, 'timeout'],
    ];
    await untilHeard(lab, ...expected);
  }

  async function loads(): Promise<readonly Load[]> {
    return await Promise.all(lab.nodes.map(({ name }) => readLoad(lab, `load-${name}`, name)));
  }

  /** Resolves when every stream has received something since, and some connections of each kind were tried, by every pod. */
  async function assertGoesOn(): Promise<readonly Load[]> {
    const before = await loads();
    return await eventually(async () => {
      const now = await loads();
      for (const [index, { allowed, denied, streams, failures }] of now.entries()) {
        const then = before[index];
        assert.ok(then);
        assert.deepEqual(failures, []);
        assert.ok(allowed - then.allowed >= MIN_ATTEMPTS && denied - then.denied >= MIN_ATTEMPTS, `${allowed} allowed, ${denied} denied`);
        for (const [number, bytes] of streams.entries()) assert.ok(bytes > (then.streams[number] ?? 0), `stream ${number} stands still`);
      }
      return now;
    }, WITHIN);
  }

  const faults: Readonly<Record<string, (enforcer: EnforcerProcess) => Promise<void>>> = {
    'enforcers that are killed': async (enforcer) => await enforcer.kill(),
    'enforcers whose pods are replaced': async (enforcer) => await enforcer.replace(),
    'enforcers that are killed again, and agents': async (enforcer) => {
      await Promise.all([enforcer.kill(), enforcer.kill('agent')]);
    },
  };
  for (const [name, fault] of Object.entries(faults)) {
    test(`${name} harm none that is allowed, and none that is denied passes`, async (t) => {
      await assertGoesOn();
      const since = Date.now();
      await Promise.all(enforcers.map(fault));
      // Of what happens in between, everything is counted.
      await Promise.all(enforcers.map((enforcer) => enforcer.untilInForce(since)));
      const now = await assertGoesOn();
      for (const enforcer of enforcers) assert.deepEqual(await enforcer.otherDrops(), []);
      t.diagnostic(now.map(({ allowed, denied }) => `${allowed} allowed, ${denied} denied until now`).join('; '));
    });
  }

  test('a policy that changes while enforcers are replaced holds once they are there', async () => {
    const revoked = { ...POLICY, spec: { ...POLICY.spec, ingress: [] } };
    await Promise.all(enforcers.map((enforcer) => enforcer.replace()));
    await lab.apply([revoked]);
    const expected = (heard: string): Expectation => ['friend', { host: address, port: ALLOWED_PORT }, heard];
    await untilHeard(lab, expected('timeout'));
    await lab.apply([POLICY]);
    await untilHeard(lab, expected('server'));
  });

  test('a node that was started again enforces policy as before', async () => {
    await lab.kubectl('delete', 'pod', ...lab.nodes.map(({ name }) => `load-${name}`));
    const since = Date.now();
    await restartNode(lab, 'node-1');
    const [first] = enforcers;
    await first?.untilInForce(since);
    await eventually(async () => {
      const path = '{.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}';
      assert.match(await lab.kubectl('get', 'pod', 'server', '-o', `jsonpath=${path}`), /^true [1-9]/);
    }, WITHIN);
    await untilPoliced();
  });
});
