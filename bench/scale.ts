import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openApiClient } from '../kube/index.ts';
import { Backend } from '../testkit/backend.ts';
import { eventually } from '../testkit/eventually.ts';
import { OWN_ADDRESS } from '../testkit/own-network.ts';
import { type ClusterProcess, PlainCluster } from '../testkit/plain-cluster.ts';
import { requestsOfSluice } from './api-requests.ts';
import { type MeasuredChange, REST_MS } from './changes.ts';
import { ClusterChanges, lagOf } from './cluster-changes.ts';
import { CLUSTER_SIZE, ClusterCorpus, ownEndpointAddresses } from './cluster-corpus.ts';
import { measureEndpointChurn } from './endpoint-churn.ts';
import { distribution, progress, say, sayMemory, seconds } from './figures.ts';
import { cpuMsOf, pidOf } from './process-cost.ts';

const RESTARTS = 5;
const WARM_UP = 10;
const IDLE_MS = 30_000;
const LONG = { withinMs: 180_000 };
/** So often nothing is left to write before it counts as done. */
const QUIET = 20;

/**
 * A controller on a real API server, with an agent and an Envoy, as processes: start, changes, memory, requests, churn.
 * Of use only after `enterOwnNetwork` and as root.
 */
export async function measureScale(samples: number): Promise<void> {
  ownEndpointAddresses();
  const { ingresses, dedicated, services, endpointsPerService } = CLUSTER_SIZE;
  console.log(
    `scale: ${ingresses} Ingress rules (${dedicated} Ingresses dedicated), ${services} Services, ${services * endpointsPerService} endpoints`,
  );
  await using first = await Backend.start({ name: 'first', address: '0.0.0.0' });
  await using second = await Backend.start({ name: 'second', address: '0.0.0.0' });
  progress('starting an API server');
  await using cluster = await PlainCluster.start({ audit: true, apiServerFlags: [`--advertise-address=${OWN_ADDRESS}`] });
  await using client = Object.assign(openApiClient({ kubeconfig: cluster.plane.kubeconfig }), {
    async [Symbol.asyncDispose](): Promise<void> {
      await client.close();
    },
  });
  const crds = new URL('../manifests/crds/', import.meta.url);
  for (const file of readdirSync(crds)) await cluster.plane.apply(readFileSync(new URL(file, crds), 'utf8'));
  const corpus = new ClusterCorpus(client);
  progress('creating the objects');
  const loadedAt = performance.now();
  await corpus.create(first.port);
  say('objects created in', `${seconds(performance.now() - loadedAt)} s`);
  const changes = new ClusterChanges(corpus, { first: first.port, second: second.port });
  await new ScaleRun(cluster, corpus, changes).measure(samples);
  changes.close();
}

/** What is measured, in its order. */
class ScaleRun {
  readonly #cluster: PlainCluster;
  readonly #corpus: ClusterCorpus;
  readonly #changes: ClusterChanges;

  constructor(cluster: PlainCluster, corpus: ClusterCorpus, changes: ClusterChanges) {
    this.#cluster = cluster;
    this.#corpus = corpus;
    this.#changes = changes;
  }

  async measure(samples: number): Promise<void> {
    const { controller, agent } = await this.#firstStart();
    await this.#writeStatuses(controller);
    for (let restart = 0; restart < RESTARTS; restart += 1) await this.#restart(controller, restart);
    sayMemory('after that', pidsOf({ controller }));
    await this.#idle(controller);
    progress('changes, one after the other');
    for (let sample = 0; sample < WARM_UP; sample += 1) await this.#changes.changeRoute(`warm-up-${sample}`, sample);
    await measureChanges('route changed', samples, controller, (sample) => this.#changes.changeRoute(`changed-${sample}`, sample));
    await measureChanges('endpoint changed', samples, controller, () => this.#changes.changeEndpoints());
    const pids = pidsOf({ controller, agent });
    await measureEndpointChurn(this.#corpus, this.#changes, agent, { ...pids, ...(await this.#otherPids(agent)) });
    sayMemory('after churn', pids);
  }

  /** Of a cluster that Sluice is new in. */
  async #firstStart(): Promise<{ readonly controller: ClusterProcess; readonly agent: ClusterProcess }> {
    progress('the first start of a controller');
    const startedAt = performance.now();
    const controller = await this.#cluster.startController('a');
    await untilReady(controller);
    say('controller, first start to ready', `${seconds(performance.now() - startedAt)} s, ${cpuSeconds(controller)} s of CPU`);
    await this.#cluster.setNodes({ 'node-1': OWN_ADDRESS });
    const agentAt = performance.now();
    const agent = await this.#cluster.startAgent('node-1', controller);
    await this.#changes.untilProbeServed();
    say('new node, start to first answer', `${seconds(performance.now() - agentAt)} s, ${cpuSeconds(agent)} s of CPU of its agent`);
    return { controller, agent };
  }

  async #writeStatuses(controller: ClusterProcess): Promise<void> {
    progress('making what each Ingress needs, and writing all statuses');
    await eventually(async () => {
      const { cluster } = await controller.status();
      // One Service for all that share, and what has to be made of each dedicated one.
      if (cluster?.isLeader !== true || cluster.pendingWrites > 0) throw new Error(`${cluster?.pendingWrites} writes pending`);
    }, LONG);
    const startedAt = performance.now();
    const addresses = await this.#corpus.giveAddresses();
    if (addresses !== CLUSTER_SIZE.dedicated + 1) throw new Error(`${addresses} load balancers`);
    await untilWritten(controller);
    say(`${CLUSTER_SIZE.ingresses} statuses written in`, `${seconds(performance.now() - startedAt)} s`);
    sayMemory('after that', pidsOf({ controller }));
  }

  /** An Ingress changes while the controller is away: what it says is served once the controller is back. */
  async #restart(controller: ClusterProcess, restart: number): Promise<void> {
    progress(`restart ${restart + 1} of ${RESTARTS}`);
    await controller.end('SIGTERM');
    await this.#changes.setProbe(`while-away-${restart}`);
    const startedAt = performance.now();
    const elapsed = () => performance.now() - startedAt;
    controller.startAgain();
    const [readyMs, servedMs] = await Promise.all([untilReady(controller).then(elapsed), this.#changes.untilProbeServed().then(elapsed)]);
    const cpu = cpuSeconds(controller);
    say('controller, start to ready', `${seconds(readyMs)} s; change served by a node ${seconds(servedMs)} s, ${cpu} s of CPU until then`);
    await untilWritten(controller);
  }

  async #idle(controller: ClusterProcess): Promise<void> {
    progress(`nothing, for ${IDLE_MS / 1000} s`);
    const from = Date.now();
    const cpuMs = cpuMsOf(controller.command.pid);
    await sleep(IDLE_MS);
    const used = cpuMsOf(controller.command.pid) - cpuMs;
    const requests = requestsOfSluice(this.#cluster.plane.auditLog, from, Date.now());
    const text = [...requests].map(([what, count]) => `${count} ${what}`).join(', ');
    say(`idle for ${IDLE_MS / 1000} s`, `${used} ms of CPU; requests: ${text || 'none'}`);
  }

  async #otherPids(agent: ClusterProcess): Promise<Readonly<Record<string, number>>> {
    const folder = dirname(this.#cluster.plane.kubeconfig);
    const envoy = (await agent.status()).envoy?.pid ?? 0;
    return { Envoy: envoy, 'this client': process.pid, 'API server': pidOf('kube-apiserver', folder), etcd: pidOf('etcd', folder) };
  }
}

async function measureChanges(
  name: string,
  samples: number,
  controller: ClusterProcess,
  change: (sample: number) => Promise<MeasuredChange>,
): Promise<void> {
  const changes: MeasuredChange[] = [];
  const cpuMs = cpuMsOf(controller.command.pid);
  for (let sample = 0; sample < samples; sample += 1) {
    changes.push(await change(sample));
    await sleep(REST_MS);
  }
  const used = (cpuMsOf(controller.command.pid) - cpuMs) / samples;
  say(`${name}, first answer`, distribution(changes.map(({ servedMs }) => servedMs)));
  say('  from the answer to the write', distribution(changes.map(lagOf)));
  say('  controller', `${used.toFixed(1)} ms of CPU a change, its rest included`);
}

async function untilReady(process: ClusterProcess): Promise<void> {
  await eventually(async () => {
    const { ok } = await fetch(`http://127.0.0.1:${process.adminPort}/readyz`);
    if (!ok) throw new Error(`not ready: ${process.command.stderr.slice(-2_000)}`);
  }, LONG);
}

async function untilWritten(controller: ClusterProcess): Promise<void> {
  let quiet = 0;
  await eventually(async () => {
    const pending = (await controller.status()).cluster?.pendingWrites ?? 0;
    quiet = pending === 0 ? quiet + 1 : 0;
    if (quiet < QUIET) throw new Error(`${pending} writes pending`);
  }, LONG);
}

function pidsOf(processes: Readonly<Record<string, ClusterProcess>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(processes).map(([name, { command }]) => [name, command.pid]));
}

function cpuSeconds({ command }: ClusterProcess): string {
  return seconds(cpuMsOf(command.pid));
}
