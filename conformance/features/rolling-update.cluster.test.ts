import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { readVersions } from '../../cli/version.ts';
import { readAuditLog } from '../../testkit/audit-log.ts';
import { needs } from '../../testkit/capabilities.ts';
import { eventually } from '../../testkit/eventually.ts';
import { FaultScene } from '../faults/scene.ts';
import { installManifest, untilInForce } from '../lab/sluice.ts';

const SECOND_VERSION = '9.9.9';
const WORKLOADS = ['deployment/sluice-controller', 'daemonset/sluice-agent', 'daemonset/sluice-envoy'];
const UPDATED_WITHIN_S = 240;
/** Of those that are asked for in the shortest update, a third. */
const MIN_SENT = 1_000;
const NAMED = /^sluice-(controller|agent)\/(\S+) /;

describe('a rolling update from one version to another', needs('cluster', 'envoy', 'root'), () => {
  const cleanUp = new AsyncDisposableStack();
  let scene: FaultScene;
  before(async () => {
    scene = cleanUp.use(await FaultScene.start({ furtherVersions: [SECOND_VERSION] }));
  });
  after(() => cleanUp.disposeAsync());

  /** All that Sluice asked of the API server since then. */
  const requestsSince = (since: number) =>
    readAuditLog(scene.lab.auditLog).flatMap((event) => {
      const [, part, version] = NAMED.exec(event.userAgent) ?? [];
      return event.requestReceivedTimestamp >= since && part && version ? [{ ...event, part, version }] : [];
    });
  const allPods = async (): Promise<readonly string[]> => {
    const pods = await Promise.all((['controller', 'agent', 'envoy'] as const).map((component) => scene.pods(component)));
    return pods.flat().map(({ name }) => name);
  };

  test('fails no request, and no status changes back and forth', { timeout: 2_000 * UPDATED_WITHIN_S }, async (t) => {
    await using client = await scene.startClient();
    const old = await allPods();
    assert.equal(old.length, 6);
    const address = await scene.addressOf('web');
    const startedAt = Date.now();

    await client.note('update');
    await scene.lab.apply(installManifest(SECOND_VERSION));
    for (const workload of WORKLOADS) {
      await scene.lab.kubectl('-n', 'sluice-system', 'rollout', 'status', workload, `--timeout=${UPDATED_WITHIN_S}s`);
      await client.note(`${workload} is updated`);
    }
    await untilInForce(scene.lab);

    const { sent, failed, failures } = await client.stop();
    const requests = requestsSince(startedAt);
    const statusWrites = requests.filter(
      ({ verb, objectRef }) => verb === 'patch' && objectRef?.resource === 'ingresses' && objectRef.subresource === 'status',
    );
    t.diagnostic(
      `${((Date.now() - startedAt) / 1_000).toFixed(1)} s, ${sent} requests, ${failed} failed, ${statusWrites.length} statuses written`,
    );
    const gone = async () => {
      const left = (await allPods()).filter((pod) => old.includes(pod));
      assert.deepEqual(left, [], 'pods that were not replaced');
    };
    await eventually(gone, { withinMs: 60_000 });
    // Agents that have a certificate ask for nothing.
    const versions = [...new Set(requests.filter(({ part }) => part === 'controller').map(({ version }) => version))].sort();
    assert.deepEqual(versions, [readVersions().sluice, SECOND_VERSION], 'one was not there beside the other');
    assert.equal(failed, 0, failures.join('\n'));
    assert.ok(sent >= MIN_SENT, `only ${sent} requests`);
    assert.deepEqual(
      statusWrites.map(({ requestURI, version }) => `${version} ${requestURI}`),
      [],
      'statuses that were written',
    );
    assert.equal(await scene.addressOf('web'), address);
  });

  test('leaves the second version in charge', async () => {
    await scene.addAll('late');
    await eventually(() => {
      const writers = requestsSince(0).filter(({ verb, objectRef }) => verb === 'patch' && objectRef?.name === 'late');
      assert.ok(writers.length > 0, 'the status of the Ingress was written by nobody');
      assert.deepEqual([...new Set(writers.map(({ version }) => version))], [SECOND_VERSION]);
    });
  });
});
