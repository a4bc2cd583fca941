import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import type { Client } from './client.ts';
import type { Counts } from './client-messages.ts';
import { LabNode } from './lab-node.ts';
import { FaultScene } from './scene.ts';

const NODE = 'node-1';
const STATE = '/var/lib/sluice';
const BALLAST = `${STATE}/ballast`;
/** Envoy waits 400 ms at most between two attempts; by its own default it waits up to thirty. */
const DIALS_WITHIN_MS = 5_000;
const MAX_CHANGES = 20;
const MIN_SENT = 500;
const WITHIN = { withinMs: 60_000 };
const SYSTEM = ['-n', 'sluice-system'] as const;

describe('a node whose agent fails', { ...needs('cluster', 'envoy', 'root'), timeout: 300_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let scene: FaultScene;
  let client: Client;
  let node: LabNode;
  let envoyPod = '';
  before(async () => {
    scene = cleanUp.use(await FaultScene.start());
    client = cleanUp.use(await scene.startClient());
    node = cleanUp.use(new LabNode(scene.lab, NODE));
    envoyPod = await scene.podOn(NODE, 'envoy');
  });
  after(() => cleanUp.disposeAsync());

  const agentLog = async () => await scene.lab.kubectl(...SYSTEM, 'logs', await scene.podOn(NODE, 'agent'), '-c', 'agent');
  const untilReady = async (workload: string) => void (await scene.lab.kubectl(...SYSTEM, 'rollout', 'status', workload, '--timeout=60s'));
  const noFailures = ({ failed, failures }: Counts) => assert.equal(failed, 0, failures.join('\n'));

  const faults = {
    killed: async () => await scene.lab.signal(await scene.firstProcess(await scene.podOn(NODE, 'agent'), 'agent'), 'SIGKILL'),
    'whose pod is deleted': async () =>
      void (await scene.lab.kubectl(...SYSTEM, 'delete', 'pod', '--wait=false', await scene.podOn(NODE, 'agent'))),
  };
  for (const [what, fault] of Object.entries(faults)) {
    test(`an agent ${what} leaves its Envoy, which dials the next at once`, async (t) => {
      const pid = await scene.envoyProcess(envoyPod);
      const before = await client.counts();
      const failedAt = Date.now();
      await fault();
      const dialledMs = await node.untilDialled(failedAt);
      await untilReady('daemonset/sluice-agent');
      assert.equal(await scene.envoyProcess(envoyPod), pid);
      const counts = await client.counts();
      t.diagnostic(`dialled ${Math.round(dialledMs)} ms after it listened; ${counts.sent - before.sent} requests meanwhile`);
      assert.ok(dialledMs < DIALS_WITHIN_MS, `it took ${dialledMs} ms`);
      noFailures(counts);
    });
  }

  test('a full disk changes nothing of what is served, is told, and is made up for', async (t) => {
    await node.mount(STATE, '1m');
    const mountedAt = Date.now();
    await scene.lab.kubectl(...SYSTEM, 'delete', 'pod', await scene.podOn(NODE, 'agent'));
    await node.untilDialled(mountedAt);
    await untilReady('daemonset/sluice-agent');
    const size = await node.fill(BALLAST);
    let changes = 0;
    // The last page of a file has room for some.
    for (; !/cannot be stored/.test(await agentLog()); changes += 1) {
      assert.ok(changes < MAX_CHANGES, 'the disk is full, and nothing is said of it');
      await scene.addIngress(`on-full-disk-${changes}`, 'web', scene.backends);
    }
    await scene.addIngress('last', 'web', scene.backends);
    await untilReady('daemonset/sluice-agent');
    await node.remove(BALLAST);
    await eventually(async () => assert.match(await agentLog(), /everything is stored again/), WITHIN);
    noFailures(await client.counts());

    // What was stored then is the newest: without controllers there is nothing else to serve.
    await scene.lab.kubectl(...SYSTEM, 'scale', '--replicas=0', 'deployment/sluice-controller');
    await eventually(async () => assert.deepEqual(await scene.pods('controller'), []), WITHIN);
    const { sent } = await client.stop();
    await Promise.all([faults.killed(), scene.lab.signal(await scene.envoyProcess(envoyPod), 'SIGKILL')]);
    const address = scene.lab.nodes.find(({ name }) => name === NODE)?.address ?? '';
    await client.untilAnswered(address, await scene.portOf('last'), 'last.test');
    t.diagnostic(`${size} bytes of ballast, ${changes} changes until it was told, ${sent} requests`);
    assert.ok(sent >= MIN_SENT, `only ${sent} requests`);
  });
});
