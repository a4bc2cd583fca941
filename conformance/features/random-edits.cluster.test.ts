import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireApiClient } from '../../cli/api-client.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { makeCertificate } from '../../testkit/make-certificate.ts';
import { RandomEdits } from '../../testkit/random-edits.ts';
import { FaultScene } from '../faults/scene.ts';
import { startFreshController, untilAllWritten, untilLikeFresh } from './installed-state.ts';

const LASTS_MS = 60_000;
const EDITS_PER_SECOND = 100;
const WORKERS = 8;
/** Of no pod. */
const ADDRESS = '10.244.1.250';
/** That the API server took; of the others some are invalid, and some delete what is not there. */
const MIN_EDITS = 3_000;
const MIN_SENT = 2_000;
const MIN_BYTES = 8_000;
const SCALED_WITHIN = { withinMs: 90_000 };

describe('100 random edits of objects a second', needs('cluster', 'envoy', 'root'), () => {
  const cleanUp = new AsyncDisposableStack();
  let scene: FaultScene;
  before(async () => {
    scene = cleanUp.use(await FaultScene.start());
  });
  after(() => cleanUp.disposeAsync());

  /** Versions of what controllers write, where the edits were. */
  const versions = async (): Promise<readonly string[]> => {
    const paths = ['networking.k8s.io/v1/namespaces/default/ingresses', 'discovery.k8s.io/v1/namespaces/default/endpointslices'];
    const lists = await Promise.all(
      [...paths.map((path) => `/apis/${path}`), '/api/v1/namespaces/default/services'].map(async (path) => await scene.lab.request(path)),
    );
    return lists.flatMap(({ body }) => {
      const { kind, items }: ObjectList = JSON.parse(body);
      return items.map(({ metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`);
    });
  };

  test('end in the state of a fresh start, and fail no request of others', { timeout: 6 * LASTS_MS }, async (t) => {
    await using apiClient = requireApiClient(scene.lab.kubeconfig);
    await scene.addAll('steady');
    await using client = await scene.startClient();
    const edits = new RandomEdits({ client: apiClient, address: ADDRESS, certificate: makeCertificate({ names: ['edited.test'] }) });
    const startedAt = performance.now();
    const workers = Array.from({ length: WORKERS }, async (_, worker) => {
      for (let turn = worker; ; turn += WORKERS) {
        const wait = startedAt + (turn * 1_000) / EDITS_PER_SECOND - performance.now();
        if (wait > 0) await sleep(wait);
        if (performance.now() > startedAt + LASTS_MS) return;
        await edits.one();
      }
    });
    await Promise.all(workers);
    const seconds = (performance.now() - startedAt) / 1_000;
    t.diagnostic(`${edits.count} edits, ${(edits.count / seconds).toFixed(0)} a second: ${edits.describe()}`);

    await untilAllWritten(scene);
    await using fresh = await startFreshController(scene);
    const state = await untilLikeFresh(scene, fresh);
    const { sent, failed, failures } = await client.counts();
    t.diagnostic(`${state.length} bytes of state; ${sent} requests, ${failed} failed`);
    assert.ok(state.length > MIN_BYTES, `the state has ${state.length} bytes`);
    assert.ok(edits.count >= MIN_EDITS, `only ${edits.count} edits`);
    assert.equal(failed, 0, failures.join('\n'));
    assert.ok(sent >= MIN_SENT, `only ${sent} requests`);

    const before = await versions();
    assert.ok(before.length > 20, `only ${before.length} objects`);
    await scene.lab.kubectl('-n', 'sluice-system', 'scale', 'deployment/sluice-controller', '--replicas=0');
    await eventually(async () => {
      const { cluster } = await fresh.status();
      assert.ok(cluster?.isLeader, 'the fresh one does not lead yet');
      assert.equal(cluster.pendingWrites, 0);
    }, SCALED_WITHIN);
    assert.deepEqual(await versions(), before, 'the fresh one had something to write');
    const last = await client.stop();
    assert.equal(last.failed, 0, last.failures.join('\n'));
  });
});

interface ObjectList {
  readonly kind: string;
  readonly items: readonly { readonly metadata: { readonly name: string; readonly resourceVersion: string } }[];
}
