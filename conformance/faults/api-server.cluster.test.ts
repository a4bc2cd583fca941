import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { untilInForce } from '../lab/sluice.ts';
import { ApiProxy } from './api-proxy.ts';
import type { Client } from './client.ts';
import type { ApiFault } from './proxy-messages.ts';
import { FaultScene } from './scene.ts';

/** So many requests, of both replicas, are to have met each fault. */
const MIN_FAULTS = 6;
const MIN_SENT = 1_000;
const CHANGES = 10;
const WITHIN = { withinMs: 60_000 };

const FAULTS: Readonly<Record<string, ApiFault>> = {
  'answers 429 and asks for a second': { kind: 'answer', status: 429, retryAfterSeconds: 1 },
  'answers 500': { kind: 'answer', status: 500 },
  'tells each event half a second after the one before': { kind: 'slow', delayMs: 500 },
  'tells each event twice': { kind: 'duplicate' },
  'tells events in another order': { kind: 'reorder' },
};

describe('an API server that', { ...needs('cluster', 'envoy', 'root'), timeout: 300_000 }, () => {
  const cleanUp = new AsyncDisposableStack();
  let scene: FaultScene;
  let proxy: ApiProxy;
  let client: Client;
  before(async () => {
    scene = cleanUp.use(await FaultScene.start());
    proxy = cleanUp.use(new ApiProxy(scene.lab));
    // Answers once it listens.
    await proxy.end();
    await scene.lab.kubectl('-n', 'sluice-system', 'set', 'env', 'deployment/sluice-controller', ...proxy.environment);
    await scene.lab.kubectl('-n', 'sluice-system', 'rollout', 'status', 'deployment/sluice-controller', '--timeout=120s');
    await untilInForce(scene.lab);
    await scene.addAll('other');
    client = cleanUp.use(await scene.startClient());
  });
  after(() => cleanUp.disposeAsync());

  for (const [index, [what, fault]] of Object.entries(FAULTS).entries()) {
    test(what, async (t) => {
      const already = await proxy.count(fault.kind);
      const before = await client.counts();
      await proxy.begin(fault);
      await eventually(async () => assert.ok((await proxy.count(fault.kind)) >= already + MIN_FAULTS, 'nobody asks'), WITHIN);
      // Back and forth, so that what is served in the end tells the newest state from one before it.
      for (let change = 0; change < CHANGES; change += 1) await scene.applyIngress('moving', change % 2 === index % 2 ? 'web' : 'other');
      await scene.applyIngress(`during-${index}`, 'other');
      const faults = (await proxy.count(fault.kind)) - already;
      await proxy.end();
      const startedAt = performance.now();
      await scene.untilServed(`during-${index}`, ['other']);
      await scene.untilServed('moving', index % 2 === 0 ? ['other'] : scene.backends);
      const tookMs = Math.round(performance.now() - startedAt);
      const { sent, failed, failures } = await client.counts();
      t.diagnostic(`${faults} faults, ${sent - before.sent} requests; the newest state was served ${tookMs} ms after the last fault`);
      assert.equal(failed, 0, failures.join('\n'));
    });
  }

  test('did all that to a cluster that was in use', async (t) => {
    await untilInForce(scene.lab);
    const { sent, failed, failures } = await client.stop();
    t.diagnostic(`${sent} requests`);
    assert.equal(failed, 0, failures.join('\n'));
    assert.ok(sent >= MIN_SENT, `only ${sent} requests`);
  });
});
