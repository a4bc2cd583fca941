import { writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CorpusBackends, type CorpusSize, hostOf, ingressFile, ingressManifest, serviceManifest, slicesFile } from './corpus.ts';

/** Between two changes, so that each meets a system at rest. */
export const REST_MS = 60;
const LIMIT_MS = 10_000;

/** Asks one request after another over one connection. */
export class Asker {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  ask(host: string, path: string): Promise<{ readonly status: number; readonly backend: string }> {
    return new Promise((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port: this.#port, path, agent: this.#agent, headers: { host } }, (response) => {
        response
          .resume()
          .on('end', () => resolve({ status: response.statusCode ?? 0, backend: String(response.headers['x-backend'] ?? '') }));
      });
      request.on('error', reject);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Milliseconds from the write of an Ingress with a new path to the first request that the path answers. */
export async function measureRouteChanges(folder: string, size: CorpusSize, asker: Asker, samples: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const ingress = (sample * 7919) % size.ingresses;
    const marker = `changed-${sample}`;
    const write = () => writeFile(ingressFile(folder, ingress), ingressManifest(ingress, size, marker));
    const isServed = async () => (await asker.ask(hostOf(ingress), `/${marker}`)).status === 200;
    latencies.push((await measureChange(write, isServed)).servedMs);
    await sleep(REST_MS);
  }
  return latencies;
}

/** Milliseconds from the write of an EndpointSlice with another address to the first request that it answers. */
export async function measureEndpointChanges(
  folder: string,
  size: CorpusSize,
  backends: CorpusBackends,
  asker: Asker,
  samples: number,
): Promise<number[]> {
  const latencies: number[] = [];
  const host = hostOf(1);
  const service = size.pathsPerIngress + 1;
  for (let sample = 0; sample < samples; sample++) {
    const [port, name] = sample % 2 === 0 ? [backends.second, 'second'] : [backends.first, 'first'];
    const write = () => writeFile(slicesFile(folder, service), serviceManifest(service, [port]));
    const isServed = async () => (await asker.ask(host, '/part-1')).backend === name;
    latencies.push((await measureChange(write, isServed)).servedMs);
    await sleep(REST_MS);
  }
  return latencies;
}

/** Makes this many changes a second, half of routes, half of endpoints, for this long. */
export async function churn(folder: string, size: CorpusSize, backends: CorpusBackends, perSecond: number, seconds: number): Promise<void> {
  const startedAt = performance.now();
  for (let change = 0; change < perSecond * seconds; change++) {
    const ingress = (change * 31) % size.ingresses;
    const service = (change * 17) % size.services;
    const ports = new Array<number>(1 + (change % size.endpointsPerService)).fill(change % 4 < 2 ? backends.first : backends.second);
    await (change % 2 === 0
      ? writeFile(ingressFile(folder, ingress), ingressManifest(ingress, size, `churn-${change}`))
      : writeFile(slicesFile(folder, service), serviceManifest(service, ports)));
    await sleep(Math.max(0, startedAt + ((change + 1) * 1000) / perSecond - performance.now()));
  }
}

/** Times in milliseconds since the change began to be written. */
export interface MeasuredChange {
  /** Until whoever took it said so. */
  readonly writtenMs: number;
  /** Until the first answer by it. */
  readonly servedMs: number;
}

/** Writes a change, and asks one request after another until it is served. @throws after `limitMs`, 10 s */
export async function measureChange(
  write: () => Promise<unknown>,
  isServed: () => Promise<boolean>,
  limitMs = LIMIT_MS,
): Promise<MeasuredChange> {
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  const untilServed = async () => {
    while (!(await isServed())) if (elapsed() > limitMs) throw new Error(`a change was not in force after ${limitMs} ms`);
    return elapsed();
  };
  const [writtenMs, servedMs] = await Promise.all([write().then(elapsed), untilServed()]);
  return { writtenMs, servedMs };
}
