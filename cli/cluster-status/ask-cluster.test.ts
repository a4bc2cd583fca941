import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answerJson, answerStatus, ScriptedApiServer } from '../../testkit/scripted-api-server.ts';
import { askCluster } from './ask-cluster.ts';
import type { AskedCluster } from './asked-cluster.ts';

const WAITING = { waiting: { reason: 'CrashLoopBackOff' } };

/** A pod whose container does not run, so that nobody can ask it. */
function podOf(component: string, nodeName: string, more: object = {}): object {
  return {
    metadata: { name: `sluice-${component}-${nodeName}`, labels: { 'app.kubernetes.io/component': component }, ...more },
    spec: { nodeName },
    status: { containerStatuses: [{ name: component, state: WAITING }] },
  };
}

interface Scene {
  readonly pods?: readonly object[];
  /** By the end of the name of each DaemonSet, on how many nodes it is wanted. */
  readonly daemonSets?: Readonly<Record<string, number>>;
  /** Of the pods in the networks of nodes; undefined where pods may not be listed. */
  readonly hostNetwork?: readonly string[];
}

async function ask({
  pods = [],
  daemonSets = {},
  hostNetwork,
}: Scene): Promise<{ readonly asked: AskedCluster; readonly selectors: readonly string[] }> {
  await using server = await ScriptedApiServer.start(({ path }, response) => {
    const part = /\/daemonsets\/sluice-(\w+)$/.exec(path)?.[1];
    const wanted = part === undefined ? undefined : daemonSets[part];
    if (path === '/api/v1/namespaces/own/pods') answerJson(response, 200, { items: pods });
    else if (path === '/api/v1/pods' && hostNetwork) {
      answerJson(response, 200, {
        items: hostNetwork.map((nodeName, index) => ({ metadata: { name: `p-${index}` }, spec: { nodeName }, status: {} })),
      });
    } else if (path === '/api/v1/pods') answerStatus(response, 403, 'pods is forbidden');
    else if (wanted === undefined) answerStatus(response, 404, 'not found');
    else answerJson(response, 200, { status: { desiredNumberScheduled: wanted, numberReady: 0 } });
  });
  const client = server.client();
  try {
    const asked = await askCluster(client, 'own');
    const selectors = server.requests.flatMap(({ path, query }) => (path === '/api/v1/pods' ? [query.get('fieldSelector') ?? ''] : []));
    return { asked, selectors };
  } finally {
    await client.close();
  }
}

describe('a cluster that is asked', () => {
  test('has enforcers, and pods that are none of theirs', async () => {
    const pods = [
      podOf('enforcer', 'n-10'),
      podOf('enforcer', 'n-9'),
      podOf('enforcer', 'n-1', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    ];
    const { asked, selectors } = await ask({ pods, daemonSets: { agent: 3, enforcer: 2, envoy: 3 }, hostNetwork: ['n-9', 'n-9', 'n-10'] });
    assert.deepEqual(
      asked.enforcers.map(({ node, silence }) => [node, silence]),
      [
        ['n-9', 'its container does not run: CrashLoopBackOff'],
        ['n-10', 'its container does not run: CrashLoopBackOff'],
      ],
    );
    assert.deepEqual([asked.wantedAgents, asked.wantedEnforcers, asked.envoys], [3, 2, { wanted: 3, ready: 0 }]);
    assert.deepEqual(
      asked.hostNetwork,
      new Map([
        ['n-9', 2],
        ['n-10', 1],
      ]),
    );
    assert.deepEqual(selectors, ['spec.hostNetwork=true,status.phase!=Succeeded,status.phase!=Failed']);
  });

  test('may not let its pods be listed', async () => {
    const { asked } = await ask({ daemonSets: { enforcer: 1 } });
    assert.deepEqual([asked.wantedEnforcers, asked.hostNetwork], [1, undefined]);
  });

  test('is not asked for pods that matter to nobody', async () => {
    const { asked, selectors } = await ask({ daemonSets: { agent: 1 }, hostNetwork: ['n-1'] });
    assert.deepEqual([asked.enforcers, asked.wantedEnforcers, asked.hostNetwork, selectors], [[], undefined, undefined, []]);
  });
});
