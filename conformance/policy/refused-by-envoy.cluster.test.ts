import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import type { RunningLab } from '../lab/index.ts';
import { answeringPod, untilReady } from './pods.ts';
import { giveCapability, startPolicedCluster } from './policed-cluster.ts';

const PORT = 8080;
const WITHIN = { withinMs: 120_000 };
const POLICY = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: { name: 'server', namespace: 'default' },
  spec: {
    endpointSelector: { matchLabels: { app: 'server' } },
    ingress: [{ toPorts: [{ ports: [{ port: `${PORT}`, protocol: 'TCP' }], rules: { http: [{ path: '/public' }] } }] }],
  },
};
const conditionsView = z.array(z.looseObject({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() }));

describe('a listener that Envoy refuses', { ...needs('cluster', 'root', 'bpf', 'envoy'), timeout: 600_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let lab: RunningLab;
  before(async () => {
    lab = cleanUp.use(await startPolicedCluster(1, { hasCapability: false }));
    await lab.apply([answeringPod({ name: 'server', node: 'node-1', labels: { app: 'server' }, ports: [PORT] })]);
    await untilReady(lab, 'server');
    await eventually(() => lab.apply([POLICY]), WITHIN);
  });
  after(() => cleanUp.disposeAsync());

  const enforceable = async () => {
    const text = await lab.kubectl('get', 'ciliumnetworkpolicy', 'server', '-o', 'jsonpath={.status.conditions}');
    const found = conditionsView.parse(JSON.parse(text)).find(({ type }) => type === 'sluice.io/Enforceable');
    assert.ok(found, text);
    return found;
  };

  test('stands in the status of the policy until Envoy has what it lacks', async () => {
    await eventually(async () => {
      const { status, reason, message } = await enforceable();
      assert.deepEqual([status, reason], ['False', 'RejectedByEnvoy'], message);
      assert.match(
        message,
        /^spec\.ingress\[0\]\.toPorts\[0\]\S*: Envoy of node node-1 refuses the listener of slot \S+, so what these rules decide of is dropped there: /,
      );
    }, WITHIN);
    await giveCapability(lab);
    await eventually(async () => assert.equal((await enforceable()).status, 'True'), WITHIN);
  });
});
