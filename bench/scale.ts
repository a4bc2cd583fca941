import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openApiClient } from '../kube/index.ts';
import { Backend } from '../testkit/backend.ts';
import { eventually } from '../testkit/eventually.ts';
import { OWN_ADDRESS } from '../testkit/own-network.ts';
import { type ClusterProcess, PlainCluster } from '../testkit/plain-cluster.ts';
import { requestsOfSluice } from './api-requests.ts';
import { Asker, type MeasuredChange, measureChange, REST_MS } from './changes.ts';
import { CLUSTER_SIZE, ClusterCorpus, hostOf, ownEndpointAddresses, serviceOf } from './cluster-corpus.ts';
import { distributionOf, formatDistribution } from './distribution.ts';
import { cpuMsOf, machineTimes, memoryOf } from './process-cost.ts';

const RESTARTS = 3;
const WARM_UP = 10;
const CHURN = { perSecond: 200, seconds: 60, writers: 32 };
const IDLE_MS = 60_000;
/** Between two questions of a client that waits, so that it leaves the processors to what it waits for. */
const ASK_EVERY_MS = 1;
const WITHIN_MS = 180_000;
const SHARED_PORT = 20_000;
/** A shared Ingress past the dedicated ones, whose Service churn leaves alone. */
const PROBE = 999;

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
  await using cluster = await PlainCluster.start({ audit: true, apiServerFlags: [`--advertise-address=${OWN_ADDRESS}`] });
  await using client = Object.assign(openApiClient({ kubeconfig: cluster.plane.kubeconfig }), {
    async [Symbol.asyncDispose](): Promise<void> {
      await client.close();
    },
  });
  const crds = new URL('../manifests/crds/', import.meta.url);
  for (const file of readdirSync(crds)) await cluster.plane.apply(readFileSync(new URL(file, crds), 'utf8'));
  const corpus = new ClusterCorpus(client);
  const loadedAt = performance.now();
  await corpus.create(first.port);
  say('objects created in', `${seconds(performance.now() - loadedAt)} s`);
  await new ScaleRun(cluster, corpus, { first: first.port, second: second.port }).measure(samples);
}

/** What is measured, in its order. */
class ScaleRun {
  readonly #cluster: PlainCluster;
  readonly #corpus: ClusterCorpus;
  readonly #ports: { readonly first: number; readonly second: number };
  readonly #asker = new Asker(SHARED_PORT);
  #usesSecond = false;

  constructor(cluster: PlainCluster, corpus: ClusterCorpus, ports: { readonly first: number; readonly second: number }) {
    this.#cluster = cluster;
    this.#corpus = corpus;
    this.#ports = ports;
  }

  async measure(samples: number): Promise<void> {
    const { controller, agent } = await this.#firstStart();
    await this.#writeStatuses(controller);
    for (let restart = 0; restart < RESTARTS; restart += 1) await this.#restart(controller, restart);
    await this.#idle(controller);
    for (let sample = 0; sample < WARM_UP; sample += 1) await this.#changeRoute(`warm-up-${sample}`, sample);
    await this.#changes('route changed', samples, controller, (sample) => this.#changeRoute(`changed-${sample}`, sample));
    await this.#changes('endpoint changed', samples, controller, () => this.#changeEndpoints());
    await this.#churn(controller, agent);
    sayMemory('after churn', controller, agent);
    this.#asker.close();
  }

  /** Of a cluster that Sluice is new in. */
  async #firstStart(): Promise<{ readonly controller: ClusterProcess; readonly agent: ClusterProcess }> {
    const startedAt = performance.now();
    const controller = await this.#cluster.startController('a');
    await untilReady(controller);
    say('controller, first start to ready', `${seconds(performance.now() - startedAt)} s, ${cpuSeconds(controller)} s of CPU`);
    await this.#cluster.setNodes({ 'node-1': OWN_ADDRESS });
    const agentAt = performance.now();
    const agent = await this.#cluster.startAgent('node-1', controller);
    await this.#untilServed(PROBE, 'start');
    say('new node, start to first answer', `${seconds(performance.now() - agentAt)} s, ${cpuSeconds(agent)} s of CPU of its agent`);
    return { controller, agent };
  }

  async #writeStatuses(controller: ClusterProcess): Promise<void> {
    await eventually(async () => {
      const { cluster } = await controller.status();
      // One Service for all that share, and what has to be made of each dedicated one.
      if (cluster?.isLeader !== true || cluster.pendingWrites > 0) throw new Error(`${cluster?.pendingWrites} writes pending`);
    }, LONG);
    const startedAt = performance.now();
    const addresses = await this.#corpus.giveAddresses();
    if (addresses !== CLUSTER_SIZE.dedicated + 1) throw new Error(`${addresses} load balancers`);
    await this.#untilWritten(controller);
    say(`${CLUSTER_SIZE.ingresses} statuses written in`, `${seconds(performance.now() - startedAt)} s`);
    sayMemory('after that', controller);
  }

  async #untilWritten(controller: ClusterProcess): Promise<void> {
    let quiet = 0;
    await eventually(async () => {
      const pending = (await controller.status()).cluster?.pendingWrites ?? 0;
      quiet = pending === 0 ? quiet + 1 : 0;
      if (quiet < 20) throw new Error(`${pending} writes pending`);
    }, LONG);
  }

  /** An Ingress changes while the controller is away: what it says is served once the controller is back. */
  async #restart(controller: ClusterProcess, restart: number): Promise<void> {
    await controller.end('SIGTERM');
    const marker = `while-away-${restart}`;
    await this.#corpus.setPath(PROBE, `/${marker}`);
    const startedAt = performance.now();
    controller.startAgain();
    const served = this.#untilServed(PROBE, marker).then(() => performance.now() - startedAt);
    await untilReady(controller);
    const readyMs = performance.now() - startedAt;
    const cpu = cpuSeconds(controller);
    say('controller, start to ready', `${seconds(readyMs)} s, ${cpu} s of CPU; change served by a node ${seconds(await served)} s`);
    await this.#untilWritten(controller);
    sayMemory('after that', controller);
  }

  async #idle(controller: ClusterProcess): Promise<void> {
    const from = Date.now();
    const cpuMs = cpuMsOf(controller.command.pid);
    await sleep(IDLE_MS);
    const used = cpuMsOf(controller.command.pid) - cpuMs;
    const requests = requestsOfSluice(this.#cluster.plane.auditLog, from, Date.now());
    const text = [...requests].map(([what, count]) => `${count} ${what}`).join(', ');
    say(`idle for ${IDLE_MS / 1000} s`, `${used} ms of CPU; requests: ${text || 'none'}`);
  }

  async #changes(name: string, samples: number, controller: ClusterProcess, change: (sample: number) => Promise<MeasuredChange>) {
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

  async #changeRoute(marker: string, sample: number): Promise<MeasuredChange> {
    const { ingresses, dedicated } = CLUSTER_SIZE;
    const ingress = dedicated + ((sample * 7919) % (ingresses - dedicated));
    return await measureChange(
      () => this.#corpus.setPath(ingress, `/${marker}`),
      async () => (await this.#ask(ingress, marker)).status === 200,
    );
  }

  /** All endpoints of one Service move to the other backend. */
  async #changeEndpoints(): Promise<MeasuredChange> {
    this.#usesSecond = !this.#usesSecond;
    const [name, port] = this.#usesSecond ? (['second', this.#ports.second] as const) : (['first', this.#ports.first] as const);
    const marker = `while-away-${RESTARTS - 1}`;
    return await measureChange(
      () => this.#corpus.setPort(serviceOf(PROBE), port),
      async () => (await this.#ask(PROBE, marker)).backend === name,
      WITHIN_MS,
    );
  }

  /** EndpointSlices change at a steady rate, and one of them is asked all the time how long that takes. */
  async #churn(controller: ClusterProcess, agent: ClusterProcess): Promise<void> {
    const envoy = (await agent.status()).envoy?.pid ?? 0;
    const pids = { controller: controller.command.pid, agent: agent.command.pid, Envoy: envoy, 'this client': process.pid };
    const before = Object.values(pids).map(cpuMsOf);
    const machine = machineTimes();
    const startedAt = performance.now();
    const probing = new AbortController();
    const probes = this.#probe(probing.signal);
    const writes = await this.#moveEndpoints(startedAt);
    const churnedMs = performance.now() - startedAt;
    const shares = Object.entries(pids).map(([name, pid], index) => `${name} ${share(cpuMsOf(pid) - (before[index] ?? 0), churnedMs)}`);
    const { busyMs, idleMs } = machineTimes();
    const busy = share(busyMs - machine.busyMs, busyMs + idleMs - machine.busyMs - machine.idleMs);
    probing.abort();
    const caughtUpMs = await this.#untilAllServed(agent);
    const lags = await probes;
    const quarter = Math.floor(lags.length / 4);
    const means = [lags.slice(0, quarter), lags.slice(-quarter)].map((part) => distributionOf(part.map(lagOf)).mean.toFixed(1));
    say(`EndpointSlices, ${CHURN.perSecond}/s for ${CHURN.seconds} s`, `${((1000 * writes.length) / churnedMs).toFixed(0)}/s written`);
    say('  a write, until it is answered', distribution(writes));
    say('  a change, first answer', distribution(lags.map(({ servedMs }) => servedMs)));
    say('  from the answer to the write', distribution(lags.map(lagOf)));
    say('  the same, first and last quarter', `mean ${means.join(', ')} ms`);
    say('  the last of all served within', `${caughtUpMs.toFixed(0)} ms`);
    say('  processors', `${shares.join(', ')} of a core; the machine was busy by ${busy}`);
  }

  /** @returns how long it took */
  async #untilAllServed(agent: ClusterProcess): Promise<number> {
    const startedAt = performance.now();
    const { movedTo } = this.#corpus;
    await eventually(async () => {
      const served = new Set((await agent.snapshot()).match(/\b10\.\d+\.\d+\.\d+\b/g));
      const missing = movedTo.filter((address) => !served.has(address));
      if (missing.length > 0) throw new Error(`${missing.length} of ${movedTo.length} endpoints are not served`);
    }, LONG);
    return performance.now() - startedAt;
  }

  async #probe(signal: AbortSignal): Promise<readonly MeasuredChange[]> {
    const lags: MeasuredChange[] = [];
    while (!signal.aborted) {
      lags.push(await this.#changeEndpoints());
      await sleep(REST_MS);
    }
    return lags;
  }

  /** @returns how long each write took */
  async #moveEndpoints(startedAt: number): Promise<readonly number[]> {
    const changes = Array.from({ length: CHURN.perSecond * CHURN.seconds }, (_, change) => change).values();
    const writes: number[] = [];
    // A connection for each write that waits would itself be what the API server is busy with.
    const write = async () => {
      for (const change of changes) {
        await sleep(Math.max(0, startedAt + ((change + 1) * 1000) / CHURN.perSecond - performance.now()));
        const beganAt = performance.now();
        // All but the Service that is asked, which is the last.
        const others = CLUSTER_SIZE.services - 1;
        await this.#corpus.moveEndpoint((change * 17) % others, Math.floor(change / others));
        writes.push(performance.now() - beganAt);
      }
    };
    await Promise.all(Array.from({ length: CHURN.writers }, write));
    return writes;
  }

  async #ask(ingress: number, path: string) {
    await sleep(ASK_EVERY_MS);
    return await this.#asker.ask(hostOf(ingress), `/${path}`);
  }

  async #untilServed(ingress: number, path: string): Promise<void> {
    await eventually(async () => {
      const { status } = await this.#ask(ingress, path);
      if (status !== 200) throw new Error(`answered with ${status}`);
    }, LONG);
  }
}

const LONG = { withinMs: WITHIN_MS };

async function untilReady(process: ClusterProcess): Promise<void> {
  await eventually(async () => {
    const { ok } = await fetch(`http://127.0.0.1:${process.adminPort}/readyz`);
    if (!ok) throw new Error(`not ready: ${process.command.stderr.slice(-2_000)}`);
  }, LONG);
}

function say(what: string, figures: string): void {
  console.log(`  ${what.padEnd(36)}${figures}`);
}

function sayMemory(when: string, controller: ClusterProcess, agent?: ClusterProcess): void {
  const figures = (name: string, { command }: ClusterProcess) => {
    const { now, peak } = memoryOf(command.pid);
    return `${name} ${now.toFixed(0)} MB, ${peak.toFixed(0)} MB at its highest`;
  };
  say(`  resident memory ${when}`, [figures('controller', controller), ...(agent ? [figures('agent', agent)] : [])].join('; '));
}

function distribution(values: readonly number[]): string {
  return formatDistribution(distributionOf(values), 'ms');
}

function lagOf({ servedMs, writtenMs }: MeasuredChange): number {
  return Math.max(0, servedMs - writtenMs);
}

function share(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(0)} %`;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}

function cpuSeconds({ command }: ClusterProcess): string {
  return seconds(cpuMsOf(command.pid));
}
