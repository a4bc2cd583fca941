import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { statusSchema } from '../../controller/admin/status.ts';
import { eventually } from '../../testkit/eventually.ts';
import { ClusterProcess } from '../../testkit/plain-cluster.ts';
import { freePorts } from '../../testkit/ports.ts';
import type { FaultScene } from '../faults/scene.ts';

const NAMESPACE = 'sluice-system';
const CONTROLLER_ADMIN = 'http://127.0.0.1:15000';
const AGENT_ADMIN = 'http://127.0.0.1:15010';
/** What may be of a shared table in the form that is not in use, which nodes have as long as a listener has the table, and no snapshot shows. */
const SPARE = /^\{"type":"(?:listener|scope|route)","name":"(sluice\.scopes|listener-insecure|listener-secure)[/"]/;
/** Every node has all of these. */
const WHOLE = /^\{"type":"(?:listener|cluster)"/;
const SETTLED_WITHIN = { withinMs: 90_000 };

const configView = z.object({ data: z.object({ 'sluice.yaml': z.string() }) });

/** A controller as installed, but started now, and outside of the cluster. No node asks it. */
export async function startFreshController({ lab }: FaultScene): Promise<ClusterProcess> {
  const { body } = await lab.request(`/api/v1/namespaces/${NAMESPACE}/configmaps/sluice-config`);
  const config = join(lab.folder, 'fresh.yaml');
  writeFileSync(config, configView.parse(JSON.parse(body)).data['sluice.yaml']);
  const [xdsPort = 0, adminPort = 0] = await freePorts(2);
  const where = ['--xds-address', '127.0.0.1', '--xds-port', String(xdsPort), '--namespace', NAMESPACE];
  const args = ['controller', '--kubeconfig', lab.kubeconfig, '--pod-name', 'fresh', '--config', config, ...where];
  const fresh = new ClusterProcess(args, adminPort);
  try {
    await fresh.untilReady();
    return fresh;
  } catch (error) {
    await fresh[Symbol.asyncDispose]();
    throw error;
  }
}

/** Waits until no controller has anything left to write. */
export async function untilAllWritten(scene: FaultScene): Promise<void> {
  await eventually(async () => {
    const statuses = await Promise.all((await scene.pods('controller')).map(async ({ name }) => await statusOf(scene, name)));
    assert.deepEqual(
      statuses.map(({ cluster }) => cluster?.pendingWrites),
      statuses.map(() => 0),
    );
    assert.equal(statuses.filter(({ cluster }) => cluster?.isLeader).length, 1, 'there is not one leader');
  }, SETTLED_WITHIN);
}

/**
 * Waits until every replica publishes byte by byte what a controller does that was started just now, and every node has it.
 * @returns that
 */
export async function untilLikeFresh(scene: FaultScene, fresh: ClusterProcess): Promise<string> {
  const replicas = (await scene.pods('controller')).map(({ name }) => name);
  assert.equal(replicas.length, 2);
  for (const replica of replicas) {
    await eventually(async () => sameText(await replicaSnapshot(scene, replica), await fresh.snapshot(), replica), SETTLED_WITHIN);
  }
  const expected = await fresh.snapshot();
  for (const { name } of scene.lab.nodes) await eventually(async () => nodeHas(await nodeSnapshot(scene, name), expected, name));
  return expected;
}

/** What a replica publishes, as JSON. */
async function replicaSnapshot(scene: FaultScene, pod: string): Promise<string> {
  return await askController(scene, pod, '/snapshot');
}

/** What a node's Envoy is served, as JSON. */
async function nodeSnapshot(scene: FaultScene, node: string): Promise<string> {
  const { code, stdout, stderr } = await scene.lab.run(['curl', '-sSf', '-m', '10', `${AGENT_ADMIN}/snapshot`], { where: node });
  assert.equal(code, 0, stderr);
  return stdout;
}

async function statusOf(scene: FaultScene, pod: string) {
  return statusSchema.parse(JSON.parse(await askController(scene, pod, '/status')));
}

async function askController(scene: FaultScene, pod: string, path: string): Promise<string> {
  return await scene.lab.kubectl('-n', NAMESPACE, 'exec', pod, '--', 'wget', '-q', '-O', '-', `${CONTROLLER_ADMIN}${path}`);
}

/** A node has nothing that is published nowhere, and of that all listeners and clusters; the rest it asks for as these lead to it. */
function nodeHas(snapshot: string, expected: string, node: string): void {
  const [has, wanted] = [new Set(resources(snapshot)), new Set(resources(expected))];
  const extra = [...has].filter((resource) => !wanted.has(resource) && !isSpare(resource, wanted));
  assert.deepEqual(extra, [], `${node} has what is published nowhere`);
  const missing = [...wanted].filter((resource) => WHOLE.test(resource) && !has.has(resource));
  assert.deepEqual(missing, [], `${node} lacks what is published`);
  assert.ok(has.size > 3, `${node} has only ${has.size} resources`);
}

function isSpare(resource: string, wanted: ReadonlySet<string>): boolean {
  const table = SPARE.exec(resource)?.[1];
  if (table === undefined || table === 'sluice.scopes') return table !== undefined;
  return [...wanted].some((other) => other.startsWith('{"type":"listener"') && other.includes(`"${table}"`));
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
