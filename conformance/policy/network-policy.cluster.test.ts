import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { runSluiceCommand } from '../../testkit/sluice-command.ts';
import type { RunningLab } from '../lab/index.ts';
import { assertHeard, type Expectation, untilHeard } from './hear.ts';
import { addressOf, answeringPod, untilReady } from './pods.ts';
import { startPolicedCluster } from './policed-cluster.ts';

const PORT = 8080;
const OTHER_PORT = 8081;
const HOST_PORT = 9090;

const statusView = z.object({ enforcers: z.array(z.object({ hostNetworkPods: z.int() })) });

const POLICY = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'server', namespace: 'default' },
  spec: {
    podSelector: { matchLabels: { app: 'server' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'friend' } } }], ports: [{ port: PORT }] }],
  },
};
const ISOLATION = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'isolated', namespace: 'default' },
  spec: { podSelector: { matchLabels: { app: 'isolated' } }, policyTypes: ['Ingress', 'Egress'] },
};
/** Of all kinds, each of which ends the container, or takes it out of service, at its first failure. */
const PROBES = {
  startupProbe: { exec: { command: ['/bin/true'] }, periodSeconds: 1, failureThreshold: 60 },
  livenessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 1 },
  readinessProbe: { tcpSocket: { port: OTHER_PORT }, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 1 },
};

describe('NetworkPolicies on a cluster', { ...needs('cluster', 'root', 'bpf'), timeout: 600_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  let server: string;
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(2));
    const ports = [PORT];
    await lab.apply([
      answeringPod({ name: 'server', node: 'node-1', labels: { app: 'server' }, ports: [PORT, OTHER_PORT] }),
      answeringPod({ name: 'friend', node: 'node-2', labels: { app: 'friend' }, ports }),
      answeringPod({ name: 'near', node: 'node-1', labels: { app: 'friend' }, ports }),
      answeringPod({ name: 'stranger', node: 'node-2', labels: { app: 'stranger' }, ports }),
    ]);
    await untilReady(lab, 'server', 'friend', 'near', 'stranger');
    server = await addressOf(lab, 'server');
  });
  after(() => cleanUp.disposeAsync());

  const toServer = (from: string, heard: string, port = PORT): Expectation => [from, { host: server, port }, heard];
  const inForce = () => [
    toServer('stranger', 'timeout'),
    toServer('friend', 'server'),
    toServer('near', 'server'),
    toServer('friend', 'timeout', OTHER_PORT),
  ];

  test('without one everything passes', async () => {
    await untilHeard(lab, ...['friend', 'near', 'stranger'].map((from) => toServer(from, 'server')));
  });

  test('with one what it allows passes, on this node and from others, and nothing else', async () => {
    await lab.apply([POLICY]);
    await untilHeard(lab, ...inForce());
  });

  test('numbers of identities are objects of the cluster', async () => {
    const labels = await lab.kubectl('get', 'sluiceidentities', '-o', 'jsonpath={range .items[*]}{.spec.labels}{"\\n"}{end}');
    assert.match(labels, /k8s:app=server/);
    assert.match(labels, /k8s:app=friend/);
  });

  test('labels that change count at once', async () => {
    await lab.kubectl('label', 'pod', 'stranger', 'app=friend', '--overwrite');
    await untilHeard(lab, toServer('stranger', 'server'));
    await lab.kubectl('label', 'pod', 'stranger', 'app=stranger', '--overwrite');
    await untilHeard(lab, ...inForce());
  });

  test('a pod that is isolated both ways starts, and stays alive and ready by all probes of the kubelet', async () => {
    const friend = await addressOf(lab, 'friend');
    await lab.apply([
      ISOLATION,
      answeringPod({ name: 'isolated', node: 'node-1', labels: { app: 'isolated' }, ports: [PORT, OTHER_PORT], probes: PROBES }),
    ]);
    await untilReady(lab, 'isolated');
    const host = await addressOf(lab, 'isolated');
    const isolated: readonly Expectation[] = [
      ['near', { host, port: PORT }, 'timeout'],
      ['friend', { host, port: PORT }, 'timeout'],
      ['@node-2', { host, port: PORT }, 'timeout'],
      ['@node-1', { host, port: PORT }, 'isolated'],
      ['isolated', { host: friend, port: PORT }, 'timeout'],
    ];
    // It is asked twice, each time for longer than a second, and so are its probes.
    await untilHeard(lab, ...isolated);
    const path = '{.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}';
    assert.equal(await lab.kubectl('get', 'pod', 'isolated', '-o', `jsonpath=${path}`), 'true 0');
  });

  test('pods of the host network are their nodes, and that a policy does nothing for them is told', async () => {
    const onHost = (name: string, node: string, app: string) =>
      answeringPod({ name, node, labels: { app }, ports: [HOST_PORT], spec: { hostNetwork: true } });
    await lab.apply([onHost('host-near', 'node-1', 'friend'), onHost('host-far', 'node-2', 'server')]);
    await untilReady(lab, 'host-near', 'host-far');
    const selected = await addressOf(lab, 'host-far');
    await untilHeard(
      lab,
      ['stranger', { host: selected, port: HOST_PORT }, 'host-far'],
      ['near', { host: selected, port: HOST_PORT }, 'host-far'],
      // Labels make no difference: a pod's own node passes, another one does not.
      toServer('host-near', 'server', OTHER_PORT),
      toServer('host-far', 'timeout'),
    );
    await eventually(async () => {
      const events = await lab.kubectl(
        'get',
        'events',
        '-o',
        'jsonpath={range .items[*]}{.involvedObject.name} {.reason} {.message}{"\\n"}{end}',
      );
      assert.match(events, /^server HostNetworkNotEnforced .*host-far/m);
    });
    const { stdout } = await runSluiceCommand(['status', '--cluster', '-o', 'json', '--kubeconfig', lab.kubeconfig]);
    const { enforcers } = statusView.parse(JSON.parse(stdout));
    // The agent, the enforcer and Envoy of a node are of the host network as well.
    assert.deepEqual(
      enforcers.map(({ hostNetworkPods }) => hostNetworkPods),
      [4, 4],
    );
  });

  test('addresses of nodes can be allowed', async () => {
    const nodes = lab.nodes.map(({ address }) => ({ ipBlock: { cidr: `${address}/32` } }));
    await lab.apply([{ ...POLICY, spec: { ...POLICY.spec, ingress: [{ from: nodes }] } }]);
    await untilHeard(lab, toServer('host-far', 'server'), toServer('host-near', 'server'), toServer('friend', 'timeout'));
  });

  test('without the policy everything passes again', async () => {
    await lab.kubectl('delete', 'networkpolicy', 'server');
    await untilHeard(lab, toServer('stranger', 'server'));
    await assertHeard(lab, toServer('friend', 'server', OTHER_PORT));
  });
});
