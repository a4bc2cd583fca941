import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import type { RunningLab } from '../lab/index.ts';
import { addressOf, answeringPod, askFrom, startPolicedCluster, untilHeard, untilReady } from './policed-cluster.ts';

const PORT = 8080;
const OTHER_PORT = 8081;

const POLICY = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'server', namespace: 'default' },
  spec: {
    podSelector: { matchLabels: { app: 'server' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }], ports: [{ port: PORT }] }],
  },
};

describe('NetworkPolicies on a cluster', needs('cluster', 'root', 'bpf'), () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  let server: string;
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(2));
    await lab.apply([
      answeringPod('server', 'node-1', { app: 'server' }, [PORT, OTHER_PORT]),
      answeringPod('friend', 'node-2', { app: 'friend' }, [PORT]),
      answeringPod('near', 'node-1', { app: 'friend' }, [PORT]),
      answeringPod('stranger', 'node-2', { app: 'stranger' }, [PORT]),
    ]);
    await untilReady(lab, 'server', 'friend', 'near', 'stranger');
    server = await addressOf(lab, 'server');
  });
  after(() => cleanUp.disposeAsync());

  test('without one everything passes', async () => {
    for (const from of ['friend', 'near', 'stranger']) assert.equal(await askFrom(lab, from, server, PORT), 'server', from);
  });

  test('with one what it allows passes, on this node and from others, and nothing else', async () => {
    await lab.apply([POLICY]);
    await untilHeard(lab, 'stranger', server, PORT, 'timeout');
    assert.equal(await askFrom(lab, 'friend', server, PORT), 'server');
    assert.equal(await askFrom(lab, 'near', server, PORT), 'server');
    assert.equal(await askFrom(lab, 'friend', server, OTHER_PORT), 'timeout');
  });

  test('the kubelet still reaches the pod, and the pod stays ready', async () => {
    const ready = await lab.kubectl('get', 'pod', 'server', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}');
    assert.equal(ready, 'True');
  });

  test('numbers of identities are objects of the cluster', async () => {
    const labels = await lab.kubectl('get', 'sluiceidentities', '-o', 'jsonpath={range .items[*]}{.spec.labels}{"\\n"}{end}');
    assert.match(labels, /k8s:app=server/);
    assert.match(labels, /k8s:app=friend/);
  });

  test('labels that change count at once', async () => {
    await lab.kubectl('label', 'pod', 'stranger', 'app=friend', '--overwrite');
    await untilHeard(lab, 'stranger', server, PORT, 'server');
    await lab.kubectl('label', 'pod', 'stranger', 'app=stranger', '--overwrite');
    await untilHeard(lab, 'stranger', server, PORT, 'timeout');
  });

  test('without the policy everything passes again', async () => {
    await lab.kubectl('delete', 'networkpolicy', 'server');
    await untilHeard(lab, 'stranger', server, PORT, 'server');
  });
});
