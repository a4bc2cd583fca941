import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FaultScene } from '../../conformance/faults/scene.ts';
import type { RunningLab } from '../../conformance/lab/running-lab.ts';
import { untilInForce } from '../../conformance/lab/sluice.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';

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
describe('nodes that are labelled under load', { ...needs('cluster', 'root', 'envoy'), timeout: 500_000 }, () => {
  let scene: FaultScene;
  let lab: RunningLab;
  before(async () => {
    scene = await FaultScene.start();
    ({ lab } = scene);
  });
  after(() => scene[Symbol.asyncDispose]());

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
    for (const node of ['node-1', 'node-2']) await label(node, 'yes');
    await lab.apply([SETTINGS]);
    await untilInForce(lab);
    await using client = await scene.startClient();
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
    const { sent, failed, failures } = await client.stop();
    t.diagnostic(`${sent} requests while ${TURNS} times a node went and came`);
    assert.equal(failed, 0, failures.join('\n'));
    assert.ok(sent > MIN_SENT, `${sent} requests`);
  });
});
