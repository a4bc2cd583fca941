// What pods' traffic costs: `node bench/datapath/run.ts [ROUNDS]`, as root. In namespaces of its own, which are gone when it ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Datapath } from '../../bpf/datapath/index.ts';
import { allow, CLIENT, closedBut, LOOPBACK, OPEN, SMALL, WEB } from '../../bpf/datapath/testing/judged.ts';
import { icmp, packet, TCP, tcp } from '../../bpf/datapath/testing/packets.ts';
import { PodNetwork, type TestPod } from '../../bpf/datapath/testing/pod-network.ts';
import { enterOwnNamespaces } from '../../bpf/libbpf-ts/testing/own-namespaces.ts';
import { type DirectionPolicy, IP_PROTOCOLS } from '../../model/index.ts';
import { distributionOf } from '../distribution.ts';
import { progress, say } from '../figures.ts';
import type { PeerTask } from './peer.ts';

enterOwnNamespaces();

const [ROUNDS = '9'] = process.argv.slice(2);
const ROUND_TRIPS = 2_000;
const CONNECTIONS = 300;
const STREAM_BYTES = 512 * 1024 * 1024;
const ECHO_PORT = 8080;
const SINK_PORT = 8081;
const REPEAT = 200_000;
const FIRST_PEER = 10_000;
/** A type of ICMP. */
const TIMESTAMP = 13;

/** What is compared, against the first of them. */
const CONDITIONS = ['no program', 'no policy', '100 rules', '10,000 rules'] as const;
type Condition = (typeof CONDITIONS)[number];
const MEASURES = ['round-trips', 'connections', 'throughput'] as const;
type Measure = (typeof MEASURES)[number];

const UNITS: Readonly<Record<Measure, string>> = { 'round-trips': 'µs', connections: 'µs', throughput: 'Gbit/s' };

/** A permission for the peer's ports, and others that make so many rules with it. */
function policyOf(condition: Condition, peer: number): DirectionPolicy {
  if (condition === 'no policy' || condition === 'no program') return OPEN;
  const others = Array.from({ length: (condition === '100 rules' ? 100 : 10_000) - 3 }, (_, index) =>
    allow(FIRST_PEER + (index >> 2), 1 + (index & 3)),
  );
  return closedBut(allow(peer, ECHO_PORT), allow(peer, SINK_PORT), allow(peer, TIMESTAMP, IP_PROTOCOLS.ICMP), ...others);
}

class Bench implements Disposable {
  readonly #datapath: Datapath;
  readonly #pods: readonly [web: TestPod, client: TestPod];
  readonly #peers: readonly [web: ChildProcess, client: ChildProcess];

  constructor(datapath: Datapath, pods: readonly [TestPod, TestPod]) {
    this.#datapath = datapath;
    this.#pods = pods;
    this.#peers = [startPeer(pods[0]), startPeer(pods[1])];
  }

  async prepare(): Promise<void> {
    const { addresses, endpoints } = this.#datapath;
    const identities = [WEB, CLIENT];
    for (const [index, pod] of this.#pods.entries()) {
      const identity = identities[index] ?? 0;
      await addresses.apply({
        set: pod.addresses.map((address) => ({ prefix: `${address}/${address.includes(':') ? 128 : 32}`, identity })),
      });
      await endpoints.set(pod.ifindex, { identity, addresses: pod.addresses });
    }
    await ask(this.#peers[0], { kind: 'serve', echoPort: ECHO_PORT, sinkPort: SINK_PORT });
  }

  async set(condition: Condition): Promise<void> {
    await this.#datapath.verdicts.set([
      { subject: WEB, ingress: policyOf(condition, CLIENT), egress: OPEN },
      { subject: CLIENT, ingress: OPEN, egress: policyOf(condition, WEB) },
    ]);
    for (const { ifindex } of this.#pods) {
      if (condition === 'no program') this.#datapath.detach(ifindex);
      else this.#datapath.attachPod(ifindex);
    }
  }

  async measure(measure: Measure): Promise<readonly number[]> {
    const [host] = this.#pods[0].addresses;
    const [, client] = this.#peers;
    if (measure === 'throughput') return await ask(client, { kind: measure, host, port: SINK_PORT, bytes: STREAM_BYTES });
    const samples = measure === 'round-trips' ? ROUND_TRIPS : CONNECTIONS;
    return await ask(client, { kind: measure, host, port: ECHO_PORT, samples });
  }

  /** Nanoseconds that the program itself takes for a packet of a connection that is known, and for one that verdicts are asked about. */
  async packetCosts(): Promise<readonly [known: number, judged: number]> {
    const [pod] = this.#pods;
    const [web] = pod.addresses;
    const [client] = this.#pods[1].addresses;
    await this.#datapath.endpoints.set(LOOPBACK, { identity: WEB, addresses: pod.addresses });
    const of = (flags: number, port: number) => packet({ from: client, to: web, protocol: 6 }, tcp(port, ECHO_PORT, flags));
    this.#datapath.testRun('to_pod', of(TCP.SYN, 1));
    const known = this.#datapath.testRun('to_pod', of(TCP.ACK, 1), 0, REPEAT).durationNs;
    // Nothing answers to that, so it is judged each time.
    const timestamp = packet({ from: client, to: web, protocol: IP_PROTOCOLS.ICMP }, icmp(TIMESTAMP));
    const judged = this.#datapath.testRun('to_pod', timestamp, 0, REPEAT).durationNs;
    await this.#datapath.endpoints.remove(LOOPBACK);
    return [known, judged];
  }

  [Symbol.dispose](): void {
    for (const peer of this.#peers) peer.kill('SIGKILL');
  }
}

function startPeer(pod: TestPod): ChildProcess {
  const [program = '', ...args] = [
    ...pod.enter,
    'setpriv',
    '--pdeathsig',
    'KILL',
    process.execPath,
    fileURLToPath(new URL('peer.ts', import.meta.url)),
  ];
  return spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

async function ask(peer: ChildProcess, task: PeerTask): Promise<readonly number[]> {
  const answered = once(peer, 'message');
  peer.send(task);
  const [figures] = await answered;
  return figures;
}

/** Medians of each round; rounds go through all conditions, each beginning with another, so that what else the machine does meets all. */
async function measureAll(bench: Bench): Promise<ReadonlyMap<string, number[]>> {
  const figures = new Map<string, number[]>();
  for (let round = 0; round < Number(ROUNDS); round += 1) {
    progress(`round ${round + 1} of ${ROUNDS}`);
    for (let step = 0; step < CONDITIONS.length; step += 1) {
      const condition = CONDITIONS[(round + step) % CONDITIONS.length] ?? 'no program';
      await bench.set(condition);
      for (const measure of MEASURES) {
        const key = `${measure} ${condition}`;
        figures.set(key, [...(figures.get(key) ?? []), distributionOf(await bench.measure(measure)).p50]);
      }
    }
  }
  return figures;
}

function report(figures: ReadonlyMap<string, readonly number[]>): void {
  for (const measure of MEASURES) {
    console.log(`\n${measure}, ${UNITS[measure]}: median of the rounds' medians (quartiles); against no program, round by round`);
    const base = figures.get(`${measure} no program`) ?? [];
    for (const condition of CONDITIONS) {
      const values = figures.get(`${measure} ${condition}`) ?? [];
      const ratios = distributionOf(values.map((value, index) => value / (base[index] ?? Number.NaN)));
      const { p25, p50, p75 } = distributionOf(values);
      const ratio = `${ratios.p50.toFixed(3)} (${ratios.p25.toFixed(3)} to ${ratios.p75.toFixed(3)})`;
      say(condition, `${p50.toFixed(1)} (${p25.toFixed(1)} to ${p75.toFixed(1)})   × ${ratio}`);
    }
  }
}

const started = performance.now();
const datapath = await Datapath.open({ pinFolder: '/sys/fs/bpf/sluice', sizes: { ...SMALL, connections: 65_536 } });
const opened = performance.now() - started;
using network = new PodNetwork();
const pods = [await network.addPod('web', 1), await network.addPod('client', 2)] as const;
using bench = new Bench(datapath, pods);
await bench.prepare();
console.log(`${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`);
say('Datapath.open', `${opened.toFixed(0)} ms`);
say('process started to datapath open', `${(started + opened).toFixed(0)} ms`);
report(await measureAll(bench));
console.log('\nto_pod alone, ns a packet: of a known connection; judged by verdicts');
for (const condition of CONDITIONS.slice(1)) {
  await bench.set(condition);
  const [known, judged] = await bench.packetCosts();
  say(condition, `${known}; ${judged}`);
}
datapath.cleanUp();
