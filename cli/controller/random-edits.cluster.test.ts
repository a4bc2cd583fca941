import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needs } from '../../testkit/capabilities.ts';
import { ClusterWorld } from '../../testkit/cluster-world.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { enterOwnNetwork, OWN_ADDRESS } from '../../testkit/own-network.ts';
import type { ClusterProcess } from '../../testkit/plain-cluster.ts';
import { RandomEdits } from '../../testkit/random-edits.ts';
import { requireApiClient } from '../api-client.ts';

enterOwnNetwork();

const LASTS_MS = 60_000;
const EDITS_PER_SECOND = 100;
const WORKERS = 8;
/** What nodes have of shared tables in the form that is not in use, which no snapshot shows. */
const SPARE = /^\{"type":"(?:listener|scope|route)","name":"(?:sluice\.scopes|listener-insecure)[/"]?/;
/** Every node has all of these. */
const WHOLE = /^\{"type":"(?:listener|cluster)"/;
/** That the API server took; of the others some are invalid, and some delete what is not there. */
const MIN_EDITS = 4_000;

test('after 100 edits a second, everything is as for a fresh start', needs('cluster', 'envoy', 'root'), async (t) => {
  await using world = await ClusterWorld.start({ controllerManager: true });
  await using client = requireApiClient(world.cluster.plane.kubeconfig);
  await world.addBackend('steady');
  const port = await world.addIngress('steady', 'steady');
  const load = world.load(world.target('steady', port, 'steady'));
  const edits = new RandomEdits({ client, address: OWN_ADDRESS, certificate: makeCertificate({ names: ['edited.test'] }) });
  const startedAt = performance.now();
  const end = startedAt + LASTS_MS;
  const workers = Array.from({ length: WORKERS }, async (_, worker) => {
    for (let turn = worker; ; turn += WORKERS) {
      const wait = startedAt + (turn * 1_000) / EDITS_PER_SECOND - performance.now();
      if (wait > 0) await sleep(wait);
      if (performance.now() > end) return;
      await edits.one();
    }
  });
  await Promise.all(workers);
  const seconds = (performance.now() - startedAt) / 1_000;

  const leader = await world.leader();
  await eventually(async () => assert.equal((await leader.status()).cluster?.pendingWrites, 0), { withinMs: 60_000 });
  await load.stop();
  t.diagnostic(`${edits.count} edits in ${seconds.toFixed(1)} s (${edits.describe()}), ${load.sent} requests meanwhile`);
  assert.equal(load.failed, 0, load.failures.join('\n'));
  assert.ok(edits.count >= MIN_EDITS, `only ${edits.count} edits`);

  const fresh = await world.cluster.startController('fresh');
  await fresh.untilReady();
  const expected = await fresh.snapshot();
  assert.ok(expected.length > 8_000, `the snapshot has ${expected.length} bytes`);
  for (const controller of world.controllers) await eventually(async () => sameText(await controller.snapshot(), expected, 'replica'));
  const wanted = new Set(resources(expected));
  await eventually(async () => {
    const has = resources(await world.agent.snapshot());
    const extra = has.filter((resource) => !wanted.has(resource) && !SPARE.test(resource));
    assert.deepEqual(extra, [], 'the node has what is published nowhere');
    // Of other types it asks for what these lead to.
    const held = new Set(has);
    const missing = [...wanted].filter((resource) => WHOLE.test(resource) && !held.has(resource));
    assert.deepEqual(missing, [], 'the node lacks what is published');
    assert.ok(has.length > 10, `the node has only ${has.length} resources`);
  });
  await theFreshOneWritesNothing(world, fresh);
});

/** Ends the replicas, so that the fresh one leads; everything must be as it would write it. */
async function theFreshOneWritesNothing(world: ClusterWorld, fresh: ClusterProcess): Promise<void> {
  const before = await versionsOf(world);
  assert.ok(before.length > 20, `only ${before.length} objects`);
  for (const controller of world.controllers) await controller.end('SIGTERM');
  await eventually(async () => {
    const { cluster } = await fresh.status();
    assert.ok(cluster?.isLeader, 'does not lead yet');
    assert.equal(cluster.pendingWrites, 0);
  });
  assert.deepEqual(await versionsOf(world), before);
}

async function versionsOf(world: ClusterWorld): Promise<readonly string[]> {
  const paths = ['/apis/networking.k8s.io/v1/ingresses', '/api/v1/services', '/apis/discovery.k8s.io/v1/endpointslices'];
  const lists = await Promise.all(paths.map((path) => world.cluster.plane.request(path)));
  return lists.flatMap(({ body }) => {
    const { kind, items }: ObjectList = JSON.parse(body);
    return items.map(({ metadata }) => `${kind} ${metadata.namespace}/${metadata.name} ${metadata.resourceVersion}`);
  });
}

interface ObjectList {
  readonly kind: string;
  readonly items: readonly { readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion: string } }[];
}

function resources(snapshot: string): readonly string[] {
  const parsed: readonly unknown[] = JSON.parse(snapshot);
  return parsed.map((resource) => JSON.stringify(resource));
}

/** Tells the first line that differs, since a snapshot is long. */
function sameText(actual: string, expected: string, what: string): void {
  if (actual === expected) return;
  const [actualLines, expectedLines] = [actual.split('\n'), expected.split('\n')];
  const index = expectedLines.findIndex((line, at) => line !== actualLines[at]);
  assert.equal(actualLines[index], expectedLines[index], `${what}, line ${index} of ${expectedLines.length}`);
  assert.equal(actualLines.length, expectedLines.length, what);
}
