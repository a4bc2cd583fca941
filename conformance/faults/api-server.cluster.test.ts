import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { untilInForce } from '../lab/sluice.ts';
import { ApiProxy } from './api-proxy.ts';
import type { Client } from './client.ts';
import type { ApiFault } from './proxy-messages.ts';
import { FaultScene } from './scene.ts';

/** So many requests, of both replicas, are to have met a fault. */
const MIN_REQUESTS = 6;
const MIN_EVENTS = 8;
const MIN_SENT = 1_000;
/** Even, so that the last one is always to the same Service. */
const CHANGES = 10;
const MAX_ROUNDS = 20;
const WITHIN = { withinMs: 60_000 };

/** While they last nothing can be changed. */
const ANSWERS: Readonly<Record<string, ApiFault>> = {
  'answers 429 and asks for a second': { kind: 'answer', status: 429, retryAfterSeconds: 1 },
  'answers 500': { kind: 'answer', status: 500 },
};
/** Everything is told in the end. */
const EVENTS: Readonly<Record<string, ApiFault>> = {
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
    await scene.addIngress('moving', 'other', ['other']);
    client = cleanUp.use(await scene.startClient());
  });
  after(() => cleanUp.disposeAsync());

  /** Back and forth between two Services, so that the newest state is another than the one before it. */
  const changes = async () => {
    for (let change = 0; change < CHANGES; change += 1) await scene.moveIngress('moving', change % 2 === 0 ? 'web' : 'other');
  };
  const untilNewest = async (added: string) => {
    const startedAt = performance.now();
    await scene.untilServed(added, ['other']);
    await scene.untilServed('moving', ['other']);
    return Math.round(performance.now() - startedAt);
  };
  /** Nothing is left to be told then, however slowly it is told. */
  const atFirst = async () => {
    await scene.moveIngress('moving', 'web');
    await scene.untilServed('moving', scene.backends);
  };
  const begin = async (fault: ApiFault) => {
    const { requests } = await proxy.counts();
    await atFirst();
    await proxy.begin(fault);
    await eventually(async () => assert.ok((await proxy.counts()).requests >= requests + MIN_REQUESTS, 'nobody asks'), WITHIN);
  };
  const noFailures = async () => {
    const { sent, failed, failures } = await client.counts();
    assert.equal(failed, 0, failures.join('\n'));
    return sent;
  };

  for (const [index, [what, fault]] of Object.entries(ANSWERS).entries()) {
    test(what, async (t) => {
      const before = await proxy.counts();
      await begin(fault);
      await changes();
      await scene.applyIngress(`answers-${index}`, 'other');
      const { requests } = await proxy.counts();
      await proxy.end();
      const tookMs = await untilNewest(`answers-${index}`);
      const sent = await noFailures();
      t.diagnostic(`${requests - before.requests} requests refused, the newest state served ${tookMs} ms later; ${sent} requests so far`);
    });
  }

  for (const [index, [what, fault]] of Object.entries(EVENTS).entries()) {
    test(what, async (t) => {
      const { events: before } = await proxy.counts();
      await begin(fault);
      let events = 0;
      for (let round = 0; events < MIN_EVENTS; round += 1) {
        assert.ok(round < MAX_ROUNDS, `only ${events} events were told otherwise`);
        await atFirst();
        await changes();
        events = (await proxy.counts()).events - before;
      }
      await scene.applyIngress(`events-${index}`, 'other');
      const duringMs = await untilNewest(`events-${index}`);
      await proxy.end();
      await scene.addIngress(`after-${index}`, 'other', ['other']);
      await untilNewest(`after-${index}`);
      const sent = await noFailures();
      t.diagnostic(`${events} events, the newest state served after ${duringMs} ms; ${sent} requests so far`);
    });
  }

  test('did all that to a cluster that was in use', async (t) => {
    await untilInForce(scene.lab);
    await noFailures();
    const { sent } = await client.stop();
    t.diagnostic(`${sent} requests`);
    assert.ok(sent >= MIN_SENT, `only ${sent} requests`);
  });
});
