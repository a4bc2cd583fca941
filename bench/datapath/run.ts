// What pods' traffic costs: `node bench/datapath/run.ts [ROUNDS]`, as root. In namespaces of its own, which are gone when it ends.
import { cpus, release } from 'node:os';
import { Datapath } from '../../bpf/datapath/index.ts';
import { LOOPBACK, SMALL } from '../../bpf/datapath/testing/judged.ts';
import { icmp, packet, TCP, tcp } from '../../bpf/datapath/testing/packets.ts';
import { PodNetwork } from '../../bpf/datapath/testing/pod-network.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { IP_PROTOCOLS, UPSTREAM_PORTS } from '../../model/index.ts';
import { distributionOf } from '../distribution.ts';
import { progress, say } from '../figures.ts';
import { CONDITIONS, type Condition, ECHO_PORT, MEASURES, type Measure, Pair, TIMESTAMP } from './pair.ts';

enterOwnNamespaces();

const [ROUNDS = '60'] = process.argv.slice(2);
const WARM_UP_ROUNDS = 2;
const PACKETS = 200_000;
const PACKET_RUNS = 9;
const SAID_EVERY = 10;
const UPSTREAM_PORT = UPSTREAM_PORTS.egress.first + 500;

const UNITS: Readonly<Record<Measure, string>> = { 'round-trips': 'µs', connections: 'µs', throughput: 'Gbit/s' };

type Figures = ReadonlyMap<Measure, ReadonlyMap<Condition, number[]>>;

/** Medians of each batch. Batches of all pairs follow one another, each round beginning with another pair. */
async function measureAll(pairs: readonly Pair[]): Promise<Figures> {
  const figures: Figures = new Map(MEASURES.map((measure) => [measure, new Map(CONDITIONS.map((condition) => [condition, []]))]));
  for (let round = 0; round < WARM_UP_ROUNDS + Number(ROUNDS); round += 1) {
    if (round % SAID_EVERY === 0) progress(`round ${round} of ${ROUNDS}`);
    for (const measure of MEASURES) {
      for (let step = 0; step < pairs.length; step += 1) {
        const pair = pairs[(round + step) % pairs.length];
        const batch = await pair?.measure(measure);
        if (batch && pair && round >= WARM_UP_ROUNDS) figures.get(measure)?.get(pair.condition)?.push(distributionOf(batch).p50);
      }
    }
  }
  return figures;
}

function report(figures: Figures): void {
  for (const [measure, byCondition] of figures) {
    console.log(`\n${measure}, ${UNITS[measure]}: median of batches' medians (quartiles); against each other condition, round by round`);
    for (const [condition, values] of byCondition) {
      const { p25, p50, p75 } = distributionOf(values);
      const ratios = [...byCondition].flatMap(([other, others]) => {
        if (CONDITIONS.indexOf(other) >= CONDITIONS.indexOf(condition)) return [];
        const ratio = distributionOf(values.map((value, index) => value / (others[index] ?? Number.NaN)));
        return [`× ${ratio.p50.toFixed(3)} of ${other} (${ratio.p25.toFixed(2)} to ${ratio.p75.toFixed(2)})`];
      });
      say(condition, [`${p50.toFixed(1)} (${p25.toFixed(1)} to ${p75.toFixed(1)})`, ...ratios].join('   '));
    }
  }
}

interface PacketCosts {
  /** Of a connection that is known. */
  readonly known: number;
  /** The same, towards a port as Envoy's own connections have: it may be for a socket of Envoy's. */
  readonly atProxyPort: number;
  /** One that verdicts are asked about. */
  readonly judged: number;
}

/** Nanoseconds that the program itself takes for a packet. */
async function packetCosts(datapath: Datapath, { web, pods }: Pair): Promise<PacketCosts> {
  const [server, client] = pods.map(({ addresses: [ipv4] }) => ipv4);
  if (server === undefined || client === undefined) throw new Error('a pair is two');
  await datapath.endpoints.set(LOOPBACK, { identity: web, addresses: pods[0].addresses });
  const of = (flags: number, port: number) => packet({ from: client, to: server, protocol: 6 }, tcp(port, ECHO_PORT, flags));
  // Nothing answers to that, so it is judged each time.
  const timestamp = packet({ from: client, to: server, protocol: IP_PROTOCOLS.ICMP }, icmp(TIMESTAMP));
  datapath.testRun('to_pod', of(TCP.SYN, 1));
  const run = (bytes: Uint8Array) => {
    const runs = Array.from({ length: PACKET_RUNS }, () => datapath.testRun('to_pod', bytes, 0, PACKETS).durationNs);
    return distributionOf(runs).p50;
  };
  datapath.testRun('from_pod', packet({ from: server, to: client, protocol: 6 }, tcp(UPSTREAM_PORT, ECHO_PORT, TCP.SYN)));
  const answer = packet({ from: client, to: server, protocol: 6 }, tcp(ECHO_PORT, UPSTREAM_PORT, TCP.ACK));
  const costs = { known: run(of(TCP.ACK, 1)), atProxyPort: run(answer), judged: run(timestamp) };
  await datapath.endpoints.remove(LOOPBACK);
  return costs;
}

const started = performance.now();
const datapath = await Datapath.open({ pinFolder: '/sys/fs/bpf/sluice', sizes: { ...SMALL, connections: 65_536 } });
const opened = performance.now();
using network = new PodNetwork();
using pairs = new DisposableStack();
const all: Pair[] = [];
for (const condition of CONDITIONS) all.push(pairs.use(await Pair.start(condition, network, datapath)));
console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`);
say('Datapath.open', `${(opened - started).toFixed(0)} ms`);
say('process started to datapath open', `${opened.toFixed(0)} ms`);
report(await measureAll(all));
console.log("\nto_pod alone, ns a packet: of a known connection; the same at a port of Envoy's; judged by verdicts");
for (const pair of all.slice(1)) {
  const { known, atProxyPort, judged } = await packetCosts(datapath, pair);
  say(pair.condition, `${known}; ${atProxyPort}; ${judged}`);
}
datapath.cleanUp();
