import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { statusSchema } from '../../controller/admin/status.ts';
import { SHARED_NODE_PORTS } from '../../ingress-controller/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { type Expectation, untilHeard } from './hear.ts';
import { type HttpLoad, httpLoadPod, httpServer, readHttpLoad } from './http-pods.ts';
import { addressOf, untilReady } from './pods.ts';
import { rolledOut, startPolicedCluster } from './policed-cluster.ts';

const PORT = 8080;
const WITHIN = { withinMs: 120_000 };
const ENFORCER_PORT = 15_011;
const OWN = 'sluice-system';
const HOLDERS = ['-l', 'sluice.io/ingress-address'];
/** Of each kind, by each node, while something happens. */
const MIN_REQUESTS = 20;

function server(name: string, node: string): readonly object[] {
  const metadata = { name, namespace: 'default' };
  const path = { path: `/${name}`, pathType: 'Prefix', backend: { service: { name, port: { number: 80 } } } };
  const annotations = { 'ingress.cilium.io/loadbalancer-mode': 'shared', 'ingress.cilium.io/force-https': 'disabled' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, labels: { app: name } },
      spec: { nodeName: node, containers: [httpServer(name, PORT)] },
    },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { app: name }, ports: [{ port: 80, targetPort: PORT }] } },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { ...metadata, annotations },
      spec: { ingressClassName: 'cilium', rules: [{ http: { paths: [path] } }] },
    },
  ];
}

function policy(name: string, entity: string, http?: readonly object[]): object {
  const toPorts = [{ ports: [{ port: `${PORT}`, protocol: 'TCP' }], ...(http && { rules: { http } }) }];
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace: 'default' },
    spec: { endpointSelector: { matchLabels: { app: name } }, ingress: [{ fromEntities: [entity], toPorts }] },
  };
}

describe('Ingresses and policies in a cluster', { ...needs('cluster', 'root', 'bpf', 'envoy'), timeout: 900_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(2));
    await rolledOut(lab, 'daemonset/sluice-ingress-address');
    await lab.apply([...server('one', 'node-1'), ...server('two', 'node-2')]);
    await untilReady(lab, 'one', 'two');
  });
  after(() => cleanUp.disposeAsync());

  /** From outside, by each node, to a pod of that node or of the other. */
  const heard = (path: string, what: string) =>
    lab.nodes.map(({ address }): Expectation => ['@client', { host: address, port: SHARED_NODE_PORTS.http, http: { path } }, what]);

  test('are let through where nothing is said', async () => {
    await untilHeard(lab, ...heard('/one', '200 one'), ...heard('/two', '200 two'));
  });

  test('tell their addresses, which are those of pods', async () => {
    const path = '{range .items[*]}{.spec.nodeName} {.status.podIP}{"\\n"}{end}';
    const pods = (await lab.kubectl('-n', OWN, 'get', 'pods', ...HOLDERS, '-o', `jsonpath=${path}`)).trim().split('\n').sort();
    const told = await Promise.all(lab.nodes.map(async ({ name }) => `${name} ${(await ingressOf(name)).addresses.join()}`));
    assert.deepEqual(told.sort(), pods);
  });

  test('are who they are to policies, on the same node and from another', async () => {
    await eventually(() => lab.apply([policy('one', 'ingress'), policy('two', 'ingress')]), WITHIN);
    await untilHeard(lab, ...heard('/one', '200 one'), ...heard('/two', '200 two'));
    await lab.apply([policy('one', 'remote-node'), policy('two', 'host')]);
    await untilRefused('/one', '/two');
    await lab.apply([policy('one', 'ingress', [{ path: '/one/public' }]), policy('two', 'ingress')]);
    await untilHeard(lab, ...heard('/one/public', '200 one'), ...heard('/one/private', '403 Access denied'), ...heard('/two', '200 two'));
  });

  test('go on by another address where its pod is replaced, and no request fails', async (t) => {
    const [before, pods] = [await addresses(), (await lab.kubectl('-n', OWN, 'get', 'pods', ...HOLDERS, '-o', 'name')).trim().split('\n')];
    await lab.apply(lab.nodes.map(({ name, address }) => loadPod(name, `${address}:${SHARED_NODE_PORTS.http}`)));
    await untilReady(lab, ...lab.nodes.map(({ name }) => `load-${name}`));
    await untilGoesOn();
    await lab.kubectl('-n', OWN, 'rollout', 'restart', 'daemonset/sluice-ingress-address');
    await lab.kubectl('-n', OWN, 'wait', '--for=delete', '--timeout=240s', ...pods);
    for (const [index, now] of (await addresses()).entries()) assert.notEqual(now, before[index]);
    t.diagnostic((await untilGoesOn()).map(({ allowed, denied }) => `${allowed.anew} allowed, ${denied.anew} denied`).join('; '));
  });

  const loadPod = (node: string, authority: string) =>
    httpLoadPod(`load-${node}`, node, { authority, allowedPath: '/one/public', deniedPath: '/one/private', kinds: ['anew'] });

  const addresses = async () => await Promise.all(lab.nodes.map(async ({ name }) => (await ingressOf(name)).addresses.join()));

  /** Resolves when each node's Ingresses have answered some requests since, and none was answered as it should not be. */
  async function untilGoesOn(): Promise<readonly HttpLoad[]> {
    const read = () => Promise.all(lab.nodes.map(async ({ name }) => await readHttpLoad(lab, await addressOf(lab, `load-${name}`), name)));
    const before = await read();
    return await eventually(async () => {
      const now = await read();
      for (const [index, { allowed, denied, failures }] of now.entries()) {
        assert.deepEqual(failures, []);
        const then = before[index];
        assert.ok(then && allowed.anew - then.allowed.anew >= MIN_REQUESTS && denied.anew - then.denied.anew >= MIN_REQUESTS);
      }
      return now;
    }, WITHIN);
  }

  async function ingressOf(node: string) {
    const { stdout } = await lab.run(['curl', '-s', `http://127.0.0.1:${ENFORCER_PORT}/status`], { where: node });
    const { ingress } = statusSchema.parse(JSON.parse(stdout)).enforcement ?? {};
    assert.ok(ingress);
    return ingress;
  }

  /** What Envoy says where it gets no connection, or none in time, or the end of patience. */
  async function untilRefused(...paths: readonly string[]): Promise<void> {
    const statuses = async () =>
      await Promise.all(
        lab.nodes.flatMap(({ address }) =>
          paths.map(async (path) => {
            const url = `http://${address}:${SHARED_NODE_PORTS.http}${path}`;
            const { stdout } = await lab.run(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '10', url]);
            return stdout;
          }),
        ),
      );
    await eventually(async () => {
      for (const status of await statuses()) assert.match(status, /^(503|504|000)$/);
    }, WITHIN);
  }
});
