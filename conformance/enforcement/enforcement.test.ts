import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { KubeObject } from '../../kube/index.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FAMILIES, NETWORKS, type Outcome, type Place, type Pod } from '../lab/netns/index.ts';
import { EnforcementScene, NAMESPACE, podObject, read } from './scene.ts';

const PORT = 8080;
const OTHER_PORT = 8081;

function allow(client: string, server: string): KubeObject {
  return read({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'server', namespace: NAMESPACE },
    spec: {
      podSelector: { matchLabels: { app: server } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: client } } }], ports: [{ port: PORT }] }],
    },
  });
}

/** What comes of asking, by both families. */
async function ask(from: Place, to: Place, port = PORT): Promise<readonly Outcome[]> {
  return await Promise.all(
    FAMILIES.map((family) => from.prober.probe({ protocol: 'TCP', to: to.addresses[family], port, timeoutMs: 700 })),
  );
}

const ANSWERED: readonly Outcome[] = ['answered', 'answered'];
const SILENT: readonly Outcome[] = ['timedOut', 'timedOut'];

for (const network of NETWORKS) {
  describe(`from objects to packets, ${network}`, needs('root', 'bpf', 'netns'), () => {
    const cleanUp = new AsyncDisposableStack();
    let scene: EnforcementScene;
    let server: Pod;
    let near: Pod;
    let far: Pod;
    before(async () => {
      scene = cleanUp.use(await EnforcementScene.start(network));
      [server, near, far] = [scene.lab.pod('pod-1-1'), scene.lab.pod('pod-1-2'), scene.lab.pod('pod-2-1')];
      for (const port of [PORT, OTHER_PORT]) await server.prober.serve('TCP', port);
      await Promise.all(scene.lab.nodes.map((node) => scene.startAgent(node)));
      await scene.inForce();
    });
    after(() => cleanUp.disposeAsync());

    test('without a policy everything passes', async () => {
      for (const from of [near, far, scene.lab.outside]) assert.deepEqual(await ask(from, server), ANSWERED, from.name);
    });

    test('with one what it allows passes, and nothing else but what comes from the node itself', async () => {
      scene.publish(allow('pod-2-1', 'pod-1-1'));
      await scene.inForce();
      assert.deepEqual(await ask(far, server), ANSWERED);
      assert.deepEqual(await ask(far, server, OTHER_PORT), SILENT);
      assert.deepEqual(await ask(near, server), SILENT);
      assert.deepEqual(await ask(scene.lab.outside, server), SILENT);
      assert.deepEqual(await ask(scene.lab.node('node-1'), server), ANSWERED);
    });

    test('labels that change on the fly change who is who', async () => {
      scene.publish(podObject(near, { app: 'pod-2-1' }), podObject(far, { app: 'other' }));
      await scene.inForce();
      assert.deepEqual(await ask(near, server), ANSWERED);
      assert.deepEqual(await ask(far, server), SILENT);
    });

    test('a killed agent leaves in force what was, and the next one takes in what changed meanwhile', async () => {
      const node = scene.lab.node('node-1');
      await scene.killAgent(node);
      scene.publish(allow('other', 'pod-1-1'));
      assert.deepEqual(await ask(near, server), ANSWERED);
      assert.deepEqual(await ask(far, server), SILENT);
      await scene.startAgent(node);
      await scene.inForce();
      assert.deepEqual(await ask(far, server), ANSWERED);
      assert.deepEqual(await ask(near, server), SILENT);
    });

    test('with no controller an agent that starts enforces what it had stored', async () => {
      const node = scene.lab.node('node-1');
      await scene.stopController();
      await scene.killAgent(node);
      await node.run(['rm', '-rf', `${node.bpfFolder}/sluice`]);
      await scene.startAgent(node);
      await eventually(async () => {
        assert.deepEqual(await ask(far, server), ANSWERED);
        assert.deepEqual(await ask(near, server), SILENT);
      });
      await scene.startController();
      await scene.inForce();
    });

    test('a pod that comes is known, and one that goes leaves nothing', async () => {
      const late = await scene.lab.addPod({ name: 'late', node: 'node-1' });
      scene.publish(podObject(late, { app: 'other' }));
      await scene.inForce();
      await eventually(async () => assert.deepEqual(await ask(late, server), ANSWERED));
      scene.withdraw(podObject(late));
      await scene.inForce();
      await eventually(async () => assert.deepEqual(await ask(late, server), SILENT));
    });

    test('nothing went wrong on the way', () => {
      const failures = scene.told.filter((told) => /"kind":"(failed|refused)"/.test(JSON.stringify(told)));
      assert.deepEqual(failures, []);
    });
  });
}
