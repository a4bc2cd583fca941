import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RunningLab } from '../../conformance/lab/running-lab.ts';
import { startLabWithSluice, untilInForce } from '../../conformance/lab/sluice.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ingressManifest, serviceManifest } from '../../testkit/manifest-objects.ts';
import type { SteadyRequests } from '../../testkit/steady-requests.ts';

const STEADY_REQUESTS = fileURLToPath(new URL('../../testkit/steady-requests.ts', import.meta.url));
const WITHIN = { withinMs: 60_000 };
const TURNS = 3;
const MIN_SENT = 2_000;
/** Of what is sent while both nodes serve, each gets its share. */
const MIN_SHARE = 50;

const SETTINGS = {
  apiVersion: 'sluice.io/v1alpha1',
  kind: 'SluiceSettings',
  metadata: { name: 'default' },
  spec: { ingress: { nodes: { matchLabels: { edge: 'yes' } } } },
};
const ECHO = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'lab/echo:1' }] },
    },
  },
};

describe('nodes that are labelled under load', { ...needs('cluster', 'root', 'envoy'), timeout: 500_000 }, () => {
  let lab: RunningLab;
  before(async () => {
    lab = await startLabWithSluice({ nodes: 2 });
  });
  after(() => lab[Symbol.asyncDispose]());

  const label = (node: string, edge: string) => lab.kubectl('label', '--overwrite', 'node', node, `edge=${edge}`);
  const servingNodes = async () =>
    (await lab.kubectl('get', 'endpointslice', 'cilium-ingress-web', '-o', 'jsonpath={.endpoints[*].nodeName}')).split(' ').sort();
  const envoy = async (node: string, page: string) => {
    const { stdout } = await lab.run(['curl', '-s', '--unix-socket', '/run/sluice/admin.sock', `http://envoy${page}`], {
      where: node,
      mounts: true,
    });
    return stdout;
  };
  const requestsAt = async (node: string) => {
    const counts = (await envoy(node, '/stats?filter=downstream_rq_2xx')).matchAll(/^http\.(?!admin\.)\S+: (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };

  test('serve, do not, and serve again without a failed request', async (t) => {
    await lab.apply([
      ECHO,
      serviceManifest('web', [{ port: 80, targetPort: 3_000 }], { selector: { app: 'web' } }),
      ingressManifest('web', { rules: { 'web.test': 'web' } }),
    ]);
    await lab.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    for (const node of ['node-1', 'node-2']) await label(node, 'yes');
    await lab.apply([SETTINGS]);
    await untilInForce(lab);
    const address = await eventually(async () => {
      const found = await lab.kubectl('get', 'ingress', 'web', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}');
      assert.match(found, /^10\.250\./);
      return found;
    }, WITHIN);
    const load = lab.spawn([process.execPath, STEADY_REQUESTS, `http://${address}/`, 'web.test', '100'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    assert.ok(load.stdin && load.stdout);
    const seen = text(load.stdout);
    for (let turn = 0; turn < TURNS; turn += 1) {
      const before = await requestsAt('node-2');
      await eventually(async () => assert.ok((await requestsAt('node-2')) > before + MIN_SHARE), WITHIN);
      await label('node-2', 'no');
      await eventually(async () => assert.deepEqual(await servingNodes(), ['node-1']), WITHIN);
      await eventually(async () => assert.equal(await envoy('node-2', '/listeners'), ''), WITHIN);
      await untilInForce(lab);
      await label('node-2', 'yes');
      await eventually(async () => assert.deepEqual(await servingNodes(), ['node-1', 'node-2']), WITHIN);
    }
    load.stdin.end();
    const { sent, failures }: SteadyRequests = JSON.parse(await seen);
    t.diagnostic(`${sent} requests while ${TURNS} times a node went and came`);
    assert.deepEqual(failures, []);
    assert.ok(sent > MIN_SENT, `${sent} requests`);
  });
});
