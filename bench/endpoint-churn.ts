import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterProcess } from '../testkit/plain-cluster.ts';
import { type MeasuredChange, REST_MS } from './changes.ts';
import { type ClusterChanges, lagOf } from './cluster-changes.ts';
import { CLUSTER_SIZE, type ClusterCorpus } from './cluster-corpus.ts';
import { distributionOf } from './distribution.ts';
import { distribution, progress, say } from './figures.ts';
import { ProcessorShares } from './processor-shares.ts';

const CHURN = { perSecond: 200, seconds: 60, writers: 32 };

/**
 * EndpointSlices change at a steady rate, and one of them is asked all the time how long that takes.
 * @param pids whose processor time is told, by what they are called
 * @throws if in the end an endpoint is not served
 */
export async function measureEndpointChurn(
  corpus: ClusterCorpus,
  changes: ClusterChanges,
  agent: ClusterProcess,
  pids: Readonly<Record<string, number>>,
): Promise<void> {
  progress(`${CHURN.perSecond} changes of EndpointSlices a second for ${CHURN.seconds} s`);
  const processors = new ProcessorShares(pids);
  const probing = new AbortController();
  const probes = probe(changes, probing.signal);
  const startedAt = performance.now();
  const writes = await moveEndpoints(corpus, startedAt);
  const tookMs = performance.now() - startedAt;
  const shares = processors.format(tookMs);
  probing.abort();
  const probed = await probes;
  const lags = probed.map(lagOf);
  // Everything before it came by the same watch.
  const last = await changes.changeEndpoints();
  await checkAllServed(corpus, agent);
  const quarter = Math.floor(lags.length / 4);
  const means = [lags.slice(0, quarter), lags.slice(-quarter)].map((part) => distributionOf(part).mean.toFixed(1));
  say(`EndpointSlices, ${CHURN.perSecond}/s for ${CHURN.seconds} s`, `${((1000 * writes.length) / tookMs).toFixed(0)}/s written`);
  say('  a write, until it is answered', distribution(writes));
  say('  a change, first answer', distribution(probed.map(({ servedMs }) => servedMs)));
  say('  from the answer to the write', distribution(lags));
  say('  the same, first and last quarter', `mean ${means.join(', ')} ms`);
  say('  one after the last, first answer', `${last.servedMs.toFixed(0)} ms`);
  say('  processors', shares);
}

async function probe(changes: ClusterChanges, signal: AbortSignal): Promise<readonly MeasuredChange[]> {
  const lags: MeasuredChange[] = [];
  while (!signal.aborted) {
    lags.push(await changes.changeEndpoints());
    await sleep(REST_MS);
  }
  return lags;
}

/** @returns how long each write took */
async function moveEndpoints(corpus: ClusterCorpus, startedAt: number): Promise<readonly number[]> {
  const changes = Array.from({ length: CHURN.perSecond * CHURN.seconds }, (_, change) => change).values();
  const writes: number[] = [];
  // A connection for each write that waits would itself be what the API server is busy with.
  const write = async () => {
    for (const change of changes) {
      await sleep(Math.max(0, startedAt + ((change + 1) * 1000) / CHURN.perSecond - performance.now()));
      const beganAt = performance.now();
      // All but the Service that is asked, which is the last.
      const others = CLUSTER_SIZE.services - 1;
      await corpus.moveEndpoint((change * 17) % others, Math.floor(change / others));
      writes.push(performance.now() - beganAt);
    }
  };
  await Promise.all(Array.from({ length: CHURN.writers }, write));
  return writes;
}

/** @throws if an endpoint is not where it moved to last */
async function checkAllServed(corpus: ClusterCorpus, agent: ClusterProcess): Promise<void> {
  const served = new Set((await agent.snapshot()).match(/\b10\.\d+\.\d+\.\d+\b/g));
  const missing = corpus.movedTo.filter((address) => !served.has(address));
  if (missing.length > 0) throw new Error(`the endpoints of ${missing.length} Services are not served: ${missing[0]}, …`);
}
