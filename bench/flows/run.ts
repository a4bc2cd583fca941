import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { WITH_OWN_PROC } from '../../conformance/lab/netns/index.ts';
import { wordOf } from '../../conformance/layer7/http-peer.ts';
import { app, ciliumPolicy, tcpPort } from '../../conformance/layer7/policies.ts';
import { SteeredLab } from '../../conformance/layer7/steered-lab.ts';
import { Collector } from '../../conformance/opentelemetry/collector.ts';
import { envoyBinary } from '../../testkit/envoy-binary.ts';
import { eventually } from '../../testkit/eventually.ts';
import { formatDistribution } from '../distribution.ts';
import { progress, say } from '../figures.ts';
import { answering } from '../layer7/envoy-config.ts';
import { cpuMsOf, memoryOf, pidOf } from '../process-cost.ts';
import { type Load, openLoad, saturation } from './load.ts';

/**
 * What it costs requests between two pods of a node, and the node, that all flows are told to a collector of OpenTelemetry: at 40 % of the requests
 * that pass at most while flows are remembered, whether or not those before are answered. Whether each request is told of or counted as lost.
 *
 *     node bench/flows/run.ts [SECONDS] [ROUNDS]
 *
 * As root, with wrk and h2load. Each round measures all ways, one after the other.
 */
const SECONDS = Number(process.argv[2] ?? 60);
const ROUNDS = Number(process.argv[3] ?? 2);
const SHARE = 0.4;
/** What Sluice runs with. */
const NODE_BINARY = fileURLToPath(new URL('../../.setup/node', import.meta.url));
const COLLECTOR = { grpc: 4_317, http: 4_318 };
const WAYS = {
  'flows remembered': { enabled: true },
  'flows off': { enabled: false, requests: false },
  'flows exported as logs': { enabled: true, export: { enabled: true } },
} as const;
const MEMORY_SAMPLES = 6;
/** Of a request: that it was asked, and what was answered. */
const FLOWS_OF_REQUEST = 2;

const statusView = z.object({
  flows: z
    .object({
      seen: z.int(),
      lost: z.record(z.string(), z.int()),
      exported: z.object({ sent: z.int(), waiting: z.int() }).optional(),
    })
    .optional(),
});

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
await using cleanUp = new AsyncDisposableStack();
cleanUp.defer(() => rmSync(folder, { recursive: true, force: true }));

let rate: number | undefined;
for (let round = 1; round <= ROUNDS; round++) {
  for (const way of Object.keys(WAYS) as (keyof typeof WAYS)[]) {
    progress(`round ${round}: ${way}`);
    await measure(way);
  }
}

async function measure(way: keyof typeof WAYS): Promise<void> {
  const pods = ['client', 'web'].map((name) => ({ name, labels: { app: name } }));
  await using lab = await SteeredLab.start({ network: 'routed', nodes: 1, pods, settings: { flows: WAYS[way] } });
  const [node, web, client] = [lab.lab.node('node-1'), lab.lab.pod('web'), lab.lab.pod('client')];
  const config = join(folder, 'web.json');
  writeFileSync(config, JSON.stringify(answering(80)));
  web.spawn([envoyBinary(), '-c', config, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'], { stdio: 'ignore' });
  await using collector = await Collector.start({
    folder,
    spawn: (command) => node.spawn([...WITH_OWN_PROC, ...command], { stdio: ['ignore', 'pipe', 'pipe'] }),
    address: '127.0.0.1',
    ports: COLLECTOR,
    countsOnly: true,
  });
  await lab.set('web', [
    ciliumPolicy({ name: 'web', app: 'web', ingress: [{ fromEndpoints: app('client'), toPorts: [tcpPort(80, [{}])] }] }),
  ]);
  await eventually(async () => {
    if (wordOf(await lab.peer('client').ask({ to: web.addresses.ipv4 })) !== '200') throw new Error('the server is not there');
  });
  const url = `http://${web.addresses.ipv4}/v1/items/7`;
  if (rate === undefined) {
    const most = await saturation(client, url, 5);
    rate = Math.round(most * SHARE);
    say('requests a second, at most', `${most.toFixed(0)}; measured at ${rate}`);
  }
  await openLoad(client, { url, seconds: 3, rate, folder });
  const before = await settled(lab, collector);
  const pids = { Sluice: pidOf(NODE_BINARY, lab.folderOf('node-1')), Envoy: pidOf(envoyBinary(), lab.folderOf('node-1')) };
  const cpu = Object.values(pids).map(cpuMsOf);
  const memory = [memoryOf(pids.Sluice).now];
  const timer = setInterval(() => memory.push(memoryOf(pids.Sluice).now), (SECONDS * 1_000) / MEMORY_SAMPLES);
  const load = await openLoad(client, { url, seconds: SECONDS, rate, folder });
  clearInterval(timer);
  const used = Object.values(pids).map((pid, index) => cpuMsOf(pid) - (cpu[index] ?? 0));
  tell(way, load, Object.keys(pids), used);
  const after = await settled(lab, collector);
  if (after.flows && before.flows) tellFlows(load, before.flows, after.flows, { used: used[0] ?? 0, memory });
}

type Status = z.infer<typeof statusView> & { readonly collected: number };

/** Once all that has come was told. */
async function settled(lab: SteeredLab, collector: Collector): Promise<Status> {
  return await eventually(
    async () => {
      const read = async () => statusView.parse(JSON.parse(await lab.sluice('node-1', ['status', '-o', 'json'])));
      const [first, second] = [await read(), await read()];
      const { exported, seen } = second.flows ?? {};
      if (first.flows?.seen !== seen || (exported?.waiting ?? 0) > 0) throw new Error('there is more to come');
      if (exported && collector.counted !== exported.sent)
        throw new Error(`the collector was told of ${collector.counted}, not of ${exported.sent}`);
      return { ...second, collected: collector.counted };
    },
    { withinMs: 60_000 },
  );
}

function tell(way: string, { requests, took }: Load, names: readonly string[], used: readonly number[]): void {
  say(way, formatDistribution(took, 'ms'));
  const shares = names.map((name, index) => `${name} ${(((used[index] ?? 0) * 1_000) / requests).toFixed(0)} µs`);
  say('  processor time a request', shares.join(', '));
}

interface Cost {
  /** Processor time of Sluice, in milliseconds. */
  readonly used: number;
  /** Its resident memory in MB, in the order of time. */
  readonly memory: readonly number[];
}

function tellFlows(
  { requests }: Load,
  before: NonNullable<Status['flows']>,
  after: NonNullable<Status['flows']>,
  { used, memory }: Cost,
): void {
  const seen = after.seen - before.seen;
  const lost = Object.entries(after.lost).map(([where, count]) => [where, count - (before.lost[where] ?? 0)] as const);
  const text = lost.map(([where, count]) => `${where} ${count}`).join(', ');
  const told = after.exported && before.exported ? `, ${after.exported.sent - before.exported.sent} told to the collector` : '';
  say('  flows', `${requests * FLOWS_OF_REQUEST} of requests, ${seen} seen${told}; lost: ${text}`);
  say('  processor time for 1,000 flows', `${((used * 1_000) / seen).toFixed(1)} ms`);
  say('  memory over time', `${memory.map((megabytes) => megabytes.toFixed(0)).join(', ')} MB`);
}
