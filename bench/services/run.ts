// node bench/services/run.ts: what it costs to reach a Service, translated at the socket and by rules as kube-proxy has them, side by side.
// As root, with clang, nft and the compiled programs. Nothing is left behind.

import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { cleanUpServices, ServiceDatapath } from '../../bpf/datapath/services/index.ts';
import { Cgroup } from '../../bpf/libbpf-ts/testing/cgroup.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import type { ServicePortTranslation } from '../../model/index.ts';
import { kubeProxyRules } from '../../testkit/kube-proxy-rules.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { type Distribution, distributionOf, formatDistribution } from '../distribution.ts';
import { progress, say } from '../figures.ts';
import { Network } from './network.ts';

const SIZES = [10, 10_000];
const ROUNDS = 10;
const CONNECTIONS = 1_000;
const TRIPS = 3_000;
const PINS = '/sys/fs/bpf/bench';
const BACKENDS = ['10.1.0.1', '10.1.0.2', '10.1.0.3'].map((address) => ({ address, port: 8080 }));
/** Of as many addresses as there are Services, and of the backends. */
const BASES = { services: '10.96.0.0', backends: '10.1.0.1' };

interface Samples {
  readonly connects: number[];
  readonly trips: number[];
}

if (process.getuid?.() !== 0) throw new Error('this needs root: it makes network namespaces');
enterOwnNamespaces();
console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}; ${ROUNDS} rounds in turn`);
using folder = new TemporaryFolder();
const ask = folder.join('ask');
execFileSync('clang', ['-O2', '-o', ask, fileURLToPath(new URL('ask.c', import.meta.url))], { stdio: 'inherit' });
for (const size of SIZES) await measure(size, ask);

async function measure(size: number, program: string): Promise<void> {
  const services = Array.from({ length: size }, (_, index) => serviceAt(index));
  await using direct = await Network.make();
  await using nftables = await Network.make();
  await using socket = await Network.make();
  using cgroup = new Cgroup();
  console.log(`\n${size} Services with ${BACKENDS.length} endpoints each`);
  progress('rules of kube-proxy');
  const rulesAt = performance.now();
  nftables.run(['nft', '-f', '-'], kubeProxyRules(services));
  say('all rules written', `${(performance.now() - rulesAt).toFixed(0)} ms`);
  using datapath = await ServiceDatapath.open({ pinFolder: PINS });
  try {
    const mapsAt = performance.now();
    await datapath.reconcile(services);
    say('all maps written', `${(performance.now() - mapsAt).toFixed(0)} ms`);
    datapath.attach(cgroup.folder);
    await measureChanges(datapath, size);
    const within = ['sh', '-c', cgroup.within('exec "$@"'), 'sh'];
    const ways = [
      { name: 'without a Service', ask: samplesFrom(direct, [program, BASES.backends, '3', '8080']) },
      { name: 'at the socket', ask: samplesFrom(socket, [...within, program, BASES.services, String(size), '80']) },
      { name: 'rules of kube-proxy', ask: samplesFrom(nftables, [program, BASES.services, String(size), '80']) },
    ];
    for (let round = 0; round < ROUNDS; round += 1) for (const way of ways) way.ask.again();
    report(
      'connect',
      ways.map(({ name, ask: { samples } }) => [name, distributionOf(samples.connects)] as const),
    );
    report(
      'round trip of 64 bytes',
      ways.map(({ name, ask: { samples } }) => [name, distributionOf(samples.trips)] as const),
    );
  } finally {
    cleanUpServices(PINS);
  }
}

/** How long one Service takes to be in force that has other endpoints. */
async function measureChanges(datapath: ServiceDatapath, size: number): Promise<void> {
  const times: number[] = [];
  for (let change = 0; change < 200; change += 1) {
    const service = serviceAt(change % size);
    const startedAt = performance.now();
    await datapath.apply({ set: [{ ...service, backends: service.backends.slice(change % 2) }] });
    times.push((performance.now() - startedAt) * 1_000);
  }
  say('one Service changed in the maps', formatDistribution(distributionOf(times), 'µs'));
  await datapath.reconcile(Array.from({ length: size }, (_, index) => serviceAt(index)));
}

function samplesFrom(network: Network, command: readonly string[]): { readonly samples: Samples; again(): void } {
  const samples: Samples = { connects: [], trips: [] };
  return {
    samples,
    again: () => {
      for (const line of network.run([...command, String(CONNECTIONS), String(TRIPS)]).split('\n')) {
        const [kind, nanoseconds] = line.split(' ');
        if (kind === 'c') samples.connects.push(Number(nanoseconds) / 1_000);
        if (kind === 'r') samples.trips.push(Number(nanoseconds) / 1_000);
      }
    },
  };
}

function report(what: string, ways: readonly (readonly [name: string, found: Distribution])[]): void {
  console.log(`  ${what}`);
  const kubeProxy = ways.at(-1)?.[1].p50 ?? Number.NaN;
  for (const [name, found] of ways) {
    say(`  ${name}`, `${formatDistribution(found, 'µs')}; p50 is ${(found.p50 / kubeProxy).toFixed(2)} of kube-proxy's`);
  }
}

function serviceAt(index: number): ServicePortTranslation {
  const name = `bench/service-${index}:80/TCP/IPv4`;
  const address = ['10', '96', String(index >> 8), String(index & 0xff)].join('.');
  return {
    name,
    service: { kind: 'Service', namespace: 'bench', name: `service-${index}` },
    frontends: [{ address, port: 80, protocol: 'TCP' }],
    backends: BACKENDS,
    draining: [],
    affinitySeconds: 0,
  };
}
