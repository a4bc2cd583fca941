// CiliumEnvoyConfigs that all change all the time, and one beside them: how long its changes take, and whether others' requests notice.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { Agent, get, request } from 'node:http';
import { cpus } from 'node:os';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Backend } from '../testkit/backend.ts';
import { httpConfigManifest, PORTS_ALLOWED } from '../testkit/envoy-config-manifests.ts';
import { serviceManifest, sliceManifest } from '../testkit/manifest-objects.ts';
import { freePorts } from '../testkit/ports.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { measureChange } from './changes.ts';
import { distribution, progress, say } from './figures.ts';
import { ProcessorShares } from './processor-shares.ts';
import { RunningSluice } from './running-sluice.ts';

const { values } = parseArgs({
  options: {
    configs: { type: 'string', default: '400' },
    seconds: { type: 'string', default: '60' },
    'dry-run': { type: 'boolean', default: false },
  },
});
const CONFIGS = Number(values.configs);
const SECONDS = Number(values.seconds);
const REQUESTS_PER_SECOND = 200;
/** Each so manieth change of a config is one of its cluster, too, which Envoy makes anew then: of some configs in each second. */
const CLUSTER_EVERY = 10;
const REST_MS = 150;

class Configs {
  readonly #folder: TemporaryFolder;
  readonly #agent = new Agent({ keepAlive: true });
  readonly ports: readonly number[];

  constructor(folder: TemporaryFolder, ports: readonly number[]) {
    this.#folder = folder;
    this.ports = ports;
  }

  /** Replaces a file as editors do. */
  write(index: number, version: number): void {
    const header = { header: { key: 'x-version', value: `${version}` } };
    const routes = [{ match: { prefix: '/' }, route: { cluster: 'web' }, responseHeadersToAdd: [header] }];
    const connectTimeout = `${5 + (Math.floor((version + index) / CLUSTER_EVERY) % 5)}s`;
    const config = { port: this.ports[index] ?? 0, routes, clusters: { web: { connectTimeout } } };
    this.put(`config-${index}.yaml`, [httpConfigManifest(`config-${index}`, config)]);
  }

  put(file: string, objects: readonly object[]): void {
    const beside = this.#folder.join('beside');
    writeFileSync(beside, objects.map((object) => `${JSON.stringify(object)}\n`).join('---\n'));
    renameSync(beside, this.#folder.join('manifests', file));
  }

  /** The version that a config's answer has. @throws where there is none */
  ask(index: number): Promise<string> {
    return new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: this.ports[index], agent: this.#agent, headers: { host: 'config.test' } }, (response) => {
        const { statusCode, headers } = response;
        response.resume().on('end', () => {
          if (statusCode === 200) resolve(String(headers['x-version']));
          else reject(new Error(`answered ${statusCode}`));
        });
      }).on('error', reject);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

interface Count {
  made: number;
  failed: number;
  last?: unknown;
}

/** Does something so often a second; what is late is made up for. */
async function steadily(perSecond: number, signal: AbortSignal, act: (turn: number) => void): Promise<void> {
  const startedAt = performance.now();
  for (let turn = 0; !signal.aborted; ) {
    const due = ((performance.now() - startedAt) * perSecond) / 1000;
    for (; turn < due; turn++) act(turn);
    await sleep(2);
  }
}

async function measureUnrelated(configs: Configs, signal: AbortSignal): Promise<readonly number[]> {
  const index = CONFIGS;
  const latencies: number[] = [];
  for (let version = 1; !signal.aborted; version++) {
    const isServed = async () => (await configs.ask(index)) === `${version}`;
    const { servedMs } = await measureChange(async () => configs.write(index, version), isServed);
    latencies.push(servedMs);
    await sleep(REST_MS * (0.5 + Math.random()));
  }
  return latencies;
}

/** What Envoy has read of its control plane, in bytes. */
async function bytesRead(adminSocket: string): Promise<number> {
  const stats = await new Promise<string>((resolve, reject) => {
    request({ socketPath: adminSocket, path: '/stats?filter=^cluster.sluice-xds.upstream_cx_rx_bytes_total' }, (response) =>
      resolve(text(response)),
    )
      .on('error', reject)
      .end();
  });
  return Number(/: (\d+)/.exec(stats)?.[1]);
}

/** Unrelated changes with nothing else going on, and then with everything. */
async function measure(configs: Configs, sluice: RunningSluice, adminSocket: string): Promise<void> {
  const quiet = await measureUnrelated(configs, AbortSignal.timeout(Math.min(10, SECONDS) * 1000));
  say('a change, at rest', distribution(quiet.slice(1)));
  progress(`${CONFIGS} configs change once a second for ${SECONDS} s`);
  const count: Count = { made: 0, failed: 0 };
  const note = (error?: unknown) => {
    count.made++;
    if (error === undefined) return;
    count.failed++;
    count.last = error;
  };
  const [bytes, shares, startedAt] = [await bytesRead(adminSocket), new ProcessorShares(sluice.pids()), performance.now()];
  await sluice.pauses();
  const signal = AbortSignal.timeout(SECONDS * 1000);
  const [latencies] = await Promise.all([
    measureUnrelated(configs, signal),
    steadily(CONFIGS, signal, (turn) => configs.write(turn % CONFIGS, 1 + Math.floor(turn / CONFIGS))),
    steadily(REQUESTS_PER_SECOND, signal, (turn) => void configs.ask((turn * 7) % CONFIGS).then(() => note(), note)),
  ]);
  const tookMs = performance.now() - startedAt;
  say('a change, the others changing', distribution(latencies));
  say('requests to the others', `${count.made}, failed ${count.failed}${count.failed > 0 ? `, the last: ${String(count.last)}` : ''}`);
  say('xDS', `${(((await bytesRead(adminSocket)) - bytes) / tookMs).toFixed(0)} kB/s`);
  say('processors', shares.format(tookMs));
  const pauses = await sluice.pauses();
  say('event loop', `longest pause ${pauses.max.toFixed(1)} ms, p99 ${pauses.p99.toFixed(1)} ms`);
}

using folder = new TemporaryFolder();
mkdirSync(folder.join('manifests'));
const settings = folder.join('sluice.yaml');
const envoyConfig = { ...PORTS_ALLOWED.envoyConfig, dryRun: values['dry-run'] };
writeFileSync(settings, JSON.stringify({ envoy: { concurrency: 1 }, envoyConfig }));
await using backend = await Backend.start({ name: 'web' });
const configs = new Configs(folder, await freePorts(CONFIGS + 1));
configs.put('web.yaml', [serviceManifest('web'), sliceManifest('web', backend.port)]);
for (let index = 0; index <= CONFIGS; index++) configs.write(index, 0);
console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`);
console.log(
  `${CONFIGS} CiliumEnvoyConfigs, each changed once a second, ${values['dry-run'] ? 'tried by an Envoy before' : 'not tried before'}`,
);
const sluice = await RunningSluice.start(folder.join('manifests'), folder.join('state'), settings);
try {
  say('start to ready', `${sluice.startToReadyMs.toFixed(0)} ms`);
  await measure(configs, sluice, folder.join('state', 'admin.sock'));
} finally {
  await sluice.stop();
  configs.close();
}
