import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { labBinary } from '../conformance/lab/binary.ts';
import { Backend } from '../testkit/backend.ts';
import { enterOwnNetwork } from '../testkit/own-network.ts';
import { TemporaryFolder } from '../testkit/temporary-folder.ts';
import { Asker, churn, measureEndpointChanges, measureRouteChanges } from './changes.ts';
import { type CorpusBackends, type CorpusSize, writeCorpus } from './corpus.ts';
import { distributionOf, formatDistribution } from './distribution.ts';
import { progress } from './figures.ts';
import { measureRouteTables } from './route-tables.ts';
import { RunningSluice } from './running-sluice.ts';
import { measureScale } from './scale.ts';
import { readStages, type StageTimes, stageTimes } from './stages.ts';

const SIZES = {
  /** 1,000 Ingresses with 5,000 routes; 5,000 Services with 20,000 endpoints. */
  medium: { ingresses: 1_000, pathsPerIngress: 5, services: 5_000, endpointsPerService: 4 },
  /** 20,000 hosts with 40,000 routes. */
  hosts: { ingresses: 20_000, pathsPerIngress: 2, services: 1_000, endpointsPerService: 2 },
} as const satisfies Record<string, CorpusSize>;

const CHURN = { perSecond: 50, seconds: 20 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true },
    samples: { type: 'string', default: '100' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) {
  console.log(`usage: npm run bench -- [medium|hosts|route-tables|scale]... [--samples 100]

Measures the real command with a real Envoy and prints distributions: on a folder of manifests, and, where 'scale' is asked for, on a
real API server, which takes five minutes and root.`);
} else {
  const asked = [...positionals, ...(values.only ?? [])];
  const wanted = asked.length > 0 ? asked : [...Object.keys(SIZES), 'route-tables'];
  if (wanted.includes('scale')) await prepareScale();
  console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}\n`);
  for (const [name, size] of Object.entries(SIZES)) if (wanted.includes(name)) await measure(name, size, Number(values.samples));
  if (wanted.includes('route-tables')) await measureRouteTables();
  if (wanted.includes('scale')) await measureScale(Number(values.samples));
}

/** Installs and builds what a cluster needs, and goes on in a network namespace where its ports are free. */
async function prepareScale(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error("'scale' needs root: it runs in a network namespace of its own");
  const setup = fileURLToPath(new URL('../setup/main.mjs', import.meta.url));
  execFileSync(process.execPath, [setup, '--quiet', '--with', 'lab'], { stdio: 'inherit' });
  await labBinary(progress);
  enterOwnNetwork();
}

async function measure(name: string, size: CorpusSize, samples: number): Promise<void> {
  using folder = new TemporaryFolder();
  const manifests = folder.join('manifests');
  const first = await Backend.start({ name: 'first', address: '0.0.0.0' });
  const second = await Backend.start({ name: 'second', address: '0.0.0.0' });
  const backends: CorpusBackends = { first: first.port, second: second.port };
  await mkdir(manifests);
  await writeCorpus(manifests, size, backends);
  const routes = size.ingresses * size.pathsPerIngress;
  console.log(
    `${name}: ${size.ingresses} Ingresses, ${routes} routes, ${size.services} Services, ${size.services * size.endpointsPerService} endpoints`,
  );
  const sluice = await RunningSluice.start(manifests, folder.join('state'));
  try {
    await report(sluice, manifests, size, backends, samples);
  } finally {
    await sluice.stop();
    await first.close();
    await second.close();
  }
}

/** Encoding is part of translation; what is left of the way to the acknowledgement is the stream's, Envoy's, and the quiet time of files. */
function attribute({ 'seen to acknowledged': acknowledged = 0, ...stages }: StageTimes): StageTimes {
  const ours = Object.values(stages).reduce((sum, milliseconds) => sum + milliseconds, 0);
  return { ...stages, 'quiet time and Envoy': acknowledged - ours };
}

async function report(
  sluice: RunningSluice,
  manifests: string,
  size: CorpusSize,
  backends: CorpusBackends,
  samples: number,
): Promise<void> {
  console.log(`  start to ready                    ${sluice.startToReadyMs.toFixed(0)} ms`);
  const asker = new Asker(sluice.httpPort);
  await measureRouteChanges(manifests, size, asker, 5); // The first changes find cold code.
  const before = readStages(await sluice.metrics());
  const routeChanges = await measureRouteChanges(manifests, size, asker, samples);
  const stages = attribute(stageTimes(before, readStages(await sluice.metrics())));
  console.log(`  route changed, first answer       ${formatDistribution(distributionOf(routeChanges), 'ms')}`);
  console.log(
    `    of which, mean                  ${Object.entries(stages)
      .map(([stage, ms]) => `${stage} ${ms.toFixed(1)}`)
      .join(', ')} ms`,
  );
  const endpointChanges = await measureEndpointChanges(manifests, size, backends, asker, samples);
  console.log(`  endpoint changed, first answer    ${formatDistribution(distributionOf(endpointChanges), 'ms')}`);
  await sluice.pauses();
  await churn(manifests, size, backends, CHURN.perSecond, CHURN.seconds);
  const pauses = await sluice.pauses();
  console.log(
    `  event loop, ${CHURN.perSecond} changes/s, ${CHURN.seconds} s   longest pause ${pauses.max.toFixed(1)} ms, p99 ${pauses.p99.toFixed(1)} ms`,
  );
  const { now, peak } = sluice.memory();
  console.log(`  resident memory, control plane    ${now.toFixed(0)} MB after that, ${peak.toFixed(0)} MB at its highest`);
  console.log(`  resident memory, Envoy            ${sluice.envoyMemory().now.toFixed(0)} MB\n`);
  asker.close();
}
