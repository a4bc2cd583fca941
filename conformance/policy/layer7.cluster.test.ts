import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { statusSchema } from '../../controller/admin/status.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { untilInForce } from '../lab/sluice.ts';
import { EnforcerProcess } from './enforcer-process.ts';
import { type Expectation, untilHeard } from './hear.ts';
import { type HttpLoad, httpLoadPod, httpServer, readHttpLoad } from './http-pods.ts';
import { addressOf, answeringPod, untilReady } from './pods.ts';
import { leaveServicesToKubeProxy, rolledOut, startPolicedCluster } from './policed-cluster.ts';

const PORT = 8080;
const WITHIN = { withinMs: 120_000 };
/** Of each kind, by each pod, while something happens. */
const MIN_REQUESTS = 20;
const DENIED = '403 Access denied';

type Kind = 'kept' | 'anew';
/** By which connections requests are sent. */
interface Kinds {
  readonly allowed: readonly Kind[];
  readonly denied: readonly Kind[];
}
const BOTH_KINDS: Kinds = { allowed: ['kept', 'anew'], denied: ['kept', 'anew'] };

interface HttpRule {
  readonly method?: string;
  readonly path: string;
}

function policy(name: string, http: readonly HttpRule[]): object {
  const toPorts = [{ ports: [{ port: `${PORT}`, protocol: 'TCP' }], rules: { http } }];
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace: 'default' },
    spec: { endpointSelector: { matchLabels: { app: name } }, ingress: [{ fromEndpoints: [{ matchLabels: { app: 'load' } }], toPorts }] },
  };
}
const PUBLIC: HttpRule = { method: 'GET', path: '/public/.*' };

function service(name: string): object {
  const spec = { selector: { app: name }, ports: [{ port: 80, targetPort: PORT }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec };
}

function deployment(name: string, replicas: number): object {
  const labels = { app: name };
  const spec = { terminationGracePeriodSeconds: 30, containers: [httpServer(name, PORT)] };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      minReadySeconds: 2,
      selector: { matchLabels: labels },
      strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: { metadata: { labels }, spec },
    },
  };
}

function serverPod(name: string, node: string): object {
  const spec = { nodeName: node, containers: [httpServer(name, PORT)] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', labels: { app: name } }, spec };
}

describe('rules on requests in a cluster', { ...needs('cluster', 'root', 'bpf', 'envoy'), timeout: 900_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  let enforcers: readonly EnforcerProcess[];
  let address: string;
  let clusterAddress: string;
  /** Of pods that put load on others, by node. */
  let loading: readonly (readonly [node: string, address: string])[];
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(2));
    enforcers = lab.nodes.map(({ name }) => new EnforcerProcess(lab, name));
    await lab.apply([
      ...[service('server'), service('web'), serverPod('server', 'node-1'), deployment('web', 2)],
      answeringPod({ name: 'near', node: 'node-1', labels: { app: 'load' }, ports: [PORT] }),
      answeringPod({ name: 'far', node: 'node-2', labels: { app: 'load' }, ports: [PORT] }),
      answeringPod({ name: 'stranger', node: 'node-2', labels: { app: 'stranger' }, ports: [PORT] }),
    ]);
    await untilReady(lab, 'server', 'near', 'far', 'stranger');
    await rolledOut(lab, 'deployment/web', 'default');
    // The kind comes once the enforcers are there.
    await eventually(() => lab.apply([policy('server', [PUBLIC]), policy('web', [PUBLIC])]), WITHIN);
    address = await addressOf(lab, 'server');
    clusterAddress = await lab.kubectl('get', 'service', 'server', '-o', 'jsonpath={.spec.clusterIP}');
  });
  after(() => cleanUp.disposeAsync());

  const places = () => [
    { host: address, port: PORT },
    { host: clusterAddress, port: 80 },
    { host: 'server.default.svc.cluster.local', port: 80 },
  ];
  const heard = (from: string, http: HttpRule, what: string) => places().map((place): Expectation => [from, { ...place, http }, what]);

  test('hold for pods of the same node and of another, by address and by Service', async () => {
    const clients = ['near', 'far'].flatMap((from) => [
      ...heard(from, { path: '/public/1' }, '200 server'),
      ...heard(from, { path: '/private' }, DENIED),
      ...heard(from, { method: 'PUT', path: '/public/1' }, DENIED),
    ]);
    const ownNode: Expectation = ['@node-1', { host: address, port: PORT, http: { path: '/private' } }, '200 server'];
    await untilHeard(lab, ...clients, ...heard('stranger', { path: '/public/1' }, 'timeout'), ownNode);
  });

  test('show in what a node tells of itself', async () => {
    const where = 'node-1';
    const read = async (port: number, page: string) => (await lab.run(['curl', '-s', `http://127.0.0.1:${port}${page}`], { where })).stdout;
    const { slots = [] } = statusSchema.parse(JSON.parse(await read(15_010, '/status')));
    assert.ok(slots.length >= 1);
    assert.deepEqual([...new Set(slots.map(({ ready, refusal }) => [ready, refusal].join()))], ['true,']);
    assert.match(await read(15_010, '/metrics'), new RegExp(`^sluice_slots\\{state="ready"\\} ${slots.length}$`, 'm'));
    const { enforcement } = await enforcerStatus(where);
    const { items = 0, wrong, failure } = enforcement?.steering ?? {};
    assert.ok(items > 10, `${items} things steer`);
    assert.deepEqual([wrong, failure], [[], undefined]);
    assert.match(await read(15_011, '/metrics'), /^sluice_packets_total\{direction="ingress",outcome="passed-steered"\} [1-9]/m);
  });

  test('that are edited are in force for the next request of a connection that is open', async () => {
    await startLoads(address, PORT);
    await assertGoesOn();
    await untilHeard(lab, ...heard('near', { path: '/private' }, DENIED));
    await lab.apply([policy('server', [PUBLIC, { path: '/more' }])]);
    await untilHeard(lab, ...heard('near', { path: '/more' }, '200 server'), ...heard('far', { path: '/more' }, '200 server'));
    await lab.apply([policy('server', [PUBLIC])]);
    await untilHeard(lab, ...heard('near', { path: '/more' }, DENIED), ...heard('far', { path: '/more' }, DENIED));
    assertKept(await assertGoesOn());
  });

  test('stay when agents are killed and pods of enforcers are replaced, and no connection ends', async (t) => {
    await assertGoesOn();
    const before = await drops();
    await restart((enforcer) => Promise.all([enforcer.kill('agent'), enforcer.replace()]));
    assertKept(await assertGoesOn(), t);
    assert.deepEqual(await drops(), before);
  });

  test('hold while no controller is there, also with agents and enforcers that start then', async (t) => {
    await scaleControllers(0);
    await assertGoesOn();
    await restart((enforcer) => Promise.all([enforcer.kill('agent'), enforcer.kill()]));
    await untilHeard(lab, ...heard('far', { path: '/private' }, DENIED), ...heard('stranger', { path: '/public/1' }, 'timeout'));
    assertKept(await assertGoesOn(), t);
    await scaleControllers(2);
    // Agents find those that are new, whom nobody has told them of.
    await untilInForce(lab);
    assertKept(await assertGoesOn());
  });

  test('leave the kubelet its probes', async () => {
    const path = '{range .items[*]}{.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}{"\\n"}{end}';
    const states = (await lab.kubectl('get', 'pods', '-l', 'app in (server, web)', '-o', `jsonpath=${path}`)).trim().split('\n');
    assert.deepEqual(states, ['true 0', 'true 0', 'true 0']);
    await lab.kubectl('delete', 'pod', ...lab.nodes.map(({ name }) => `load-${name}`), '--wait');
  });

  test('hold for pods that replace others under load, and no request fails, on connections that are kept or opened', async (t) => {
    // Of what is denied a server hears nothing, so it has nobody end a connection that is kept for it.
    const kinds: Kinds = { allowed: ['kept', 'anew'], denied: ['anew'] };
    await startLoads(await lab.kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'), 80, kinds);
    const before = await assertGoesOn(kinds);
    await lab.kubectl('rollout', 'restart', 'deployment/web');
    await rolledOut(lab, 'deployment/web', 'default');
    const now = await assertGoesOn(kinds);
    t.diagnostic(now.map(describeLoad).join('; '));
    for (const [index, { connections }] of now.entries()) {
      const then = before[index]?.connections ?? 0;
      assert.ok(connections > then, `${then} connections before, ${connections} after`);
    }
  });

  test('hold where Services are left to kube-proxy', async () => {
    await leaveServicesToKubeProxy(lab);
    await eventually(async () => {
      for (const { name } of lab.nodes) assert.equal((await enforcerStatus(name)).enforcement?.services?.inForce ?? false, false);
    }, WITHIN);
    const clients = ['near', 'far'].flatMap((from) => [
      ...heard(from, { path: '/public/1' }, '200 server'),
      ...heard(from, { path: '/private' }, DENIED),
    ]);
    await untilHeard(lab, ...clients, ...heard('stranger', { path: '/public/1' }, 'timeout'));
  });

  async function enforcerStatus(where: string) {
    const { stdout } = await lab.run(['curl', '-s', 'http://127.0.0.1:15011/status'], { where });
    return statusSchema.parse(JSON.parse(stdout));
  }

  async function startLoads(host: string, port: number, kinds = BOTH_KINDS): Promise<void> {
    const target = {
      authority: `${host}:${port}`,
      allowedPath: '/public/load',
      deniedPath: '/private',
      kinds: kinds.allowed,
      deniedKinds: kinds.denied,
    };
    await lab.apply(lab.nodes.map(({ name }) => httpLoadPod(`load-${name}`, name, target)));
    await untilReady(lab, ...lab.nodes.map(({ name }) => `load-${name}`));
    loading = await Promise.all(lab.nodes.map(async ({ name }) => [name, await addressOf(lab, `load-${name}`)] as const));
  }

  async function loads(): Promise<readonly HttpLoad[]> {
    return await Promise.all(loading.map(([node, from]) => readHttpLoad(lab, from, node)));
  }

  /** Resolves when some requests of each kind were answered since, by every pod, and none as it should not be. */
  async function assertGoesOn(kinds = BOTH_KINDS): Promise<readonly HttpLoad[]> {
    const before = await loads();
    return await eventually(async () => {
      const now = await loads();
      for (const [index, { allowed, denied, failures }] of now.entries()) {
        const then = before[index];
        assert.ok(then);
        assert.deepEqual(failures, []);
        const counts = [
          ...kinds.allowed.map((kind) => allowed[kind] - then.allowed[kind]),
          ...kinds.denied.map((kind) => denied[kind] - then.denied[kind]),
        ];
        assert.ok(Math.min(...counts) >= MIN_REQUESTS, counts.join());
      }
      return now;
    }, WITHIN);
  }

  const drops = () => Promise.all(enforcers.map((enforcer) => enforcer.otherDrops()));

  /** Each pod keeps two connections, of which none was ended. */
  function assertKept(all: readonly HttpLoad[], t?: TestContext): void {
    assert.deepEqual(
      all.map(({ connections }) => connections),
      all.map(() => 2),
    );
    t?.diagnostic(all.map(describeLoad).join('; '));
  }

  /** Resolves when agents and enforcers of all nodes have begun anew and done all that is to be done. */
  async function restart(fault: (enforcer: EnforcerProcess) => Promise<unknown>): Promise<void> {
    const since = Date.now();
    await Promise.all(enforcers.map(fault));
    await Promise.all(enforcers.flatMap((enforcer) => [enforcer.untilInForce(since), enforcer.untilInForce(since, 'agent')]));
  }

  async function scaleControllers(replicas: number): Promise<void> {
    await lab.kubectl('-n', 'sluice-system', 'scale', 'deployment/sluice-controller', `--replicas=${replicas}`);
    if (replicas > 0) return;
    const selection = ['-l', 'app.kubernetes.io/component=controller'];
    await lab.kubectl('-n', 'sluice-system', 'wait', '--for=delete', 'pod', ...selection, '--timeout=120s');
  }
});

function describeLoad({ allowed, denied, connections }: HttpLoad): string {
  const of = ({ kept, anew }: HttpLoad['allowed']) => `${kept} kept, ${anew} anew`;
  return `allowed ${of(allowed)}; denied ${of(denied)}; ${connections} connections kept`;
}
