import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Datapath } from '../../bpf/datapath/index.ts';
import { allow, closedBut, OPEN } from '../../bpf/datapath/testing/judged.ts';
import type { PodNetwork, TestPod } from '../../bpf/datapath/testing/pod-network.ts';
import { type DirectionPolicy, type Identity, IP_PROTOCOLS } from '../../model/index.ts';
import type { PeerTask } from './peer.ts';

/** What is compared, against the first of them. */
export const CONDITIONS = ['no program', 'no policy', '100 rules', '10,000 rules'] as const;
export type Condition = (typeof CONDITIONS)[number];
export const MEASURES = ['round-trips', 'connections', 'throughput'] as const;
export type Measure = (typeof MEASURES)[number];

export const ECHO_PORT = 8080;
const SINK_PORT = 8081;
const FIRST_IDENTITY = 1_000;
const FIRST_PEER = 10_000;
/** A type of ICMP that nothing answers to. */
export const TIMESTAMP = 13;

/** Of one batch: short, so that what else the machine does meets the batches of all conditions alike. */
const SAMPLES = { 'round-trips': 200, connections: 40 } as const;
const STREAM_BYTES = 64 * 1024 * 1024;

/** Two pods that talk to each other under one condition. */
export class Pair implements Disposable {
  readonly condition: Condition;
  readonly web: Identity;
  readonly client: Identity;
  readonly pods: readonly [web: TestPod, client: TestPod];
  readonly #peers: readonly [web: ChildProcess, client: ChildProcess];

  private constructor(condition: Condition, pods: readonly [TestPod, TestPod]) {
    this.condition = condition;
    this.web = FIRST_IDENTITY + 2 * CONDITIONS.indexOf(condition);
    this.client = this.web + 1;
    this.pods = pods;
    this.#peers = [startPeer(pods[0]), startPeer(pods[1])];
  }

  static async start(condition: Condition, network: PodNetwork, datapath: Datapath): Promise<Pair> {
    const number = 1 + 2 * CONDITIONS.indexOf(condition);
    const pair = new Pair(condition, [await network.addPod(`web-${number}`, number), await network.addPod(`client-${number}`, number + 1)]);
    await pair.#enforce(datapath);
    await ask(pair.#peers[0], { kind: 'serve', echoPort: ECHO_PORT, sinkPort: SINK_PORT });
    return pair;
  }

  /** Figures of a batch. */
  async measure(measure: Measure): Promise<readonly number[]> {
    const [host] = this.pods[0].addresses;
    const [, client] = this.#peers;
    if (measure === 'throughput') return await ask(client, { kind: measure, host, port: SINK_PORT, bytes: STREAM_BYTES });
    return await ask(client, { kind: measure, host, port: ECHO_PORT, samples: SAMPLES[measure] });
  }

  [Symbol.dispose](): void {
    for (const peer of this.#peers) peer.kill('SIGKILL');
  }

  async #enforce(datapath: Datapath): Promise<void> {
    const { addresses, endpoints, verdicts } = datapath;
    for (const [index, pod] of this.pods.entries()) {
      const identity = index === 0 ? this.web : this.client;
      await addresses.apply({
        set: pod.addresses.map((address) => ({ prefix: `${address}/${address.includes(':') ? 128 : 32}`, identity })),
      });
      await endpoints.set(pod.ifindex, { identity, addresses: pod.addresses });
    }
    await verdicts.set([
      { subject: this.web, ingress: policyOf(this.condition, this.client), egress: OPEN },
      { subject: this.client, ingress: OPEN, egress: policyOf(this.condition, this.web) },
    ]);
    if (this.condition !== 'no program') for (const { ifindex } of this.pods) datapath.attachPod(ifindex);
  }
}

/** A permission for the peer's ports, and others that make so many rules with it. */
function policyOf(condition: Condition, peer: Identity): DirectionPolicy {
  if (condition === 'no policy' || condition === 'no program') return OPEN;
  const others = Array.from({ length: (condition === '100 rules' ? 100 : 10_000) - 3 }, (_, index) =>
    allow(FIRST_PEER + (index >> 2), 1 + (index & 3)),
  );
  return closedBut(allow(peer, ECHO_PORT), allow(peer, SINK_PORT), allow(peer, TIMESTAMP, IP_PROTOCOLS.ICMP), ...others);
}

function startPeer(pod: TestPod): ChildProcess {
  const program = fileURLToPath(new URL('peer.ts', import.meta.url));
  const [command = '', ...args] = [...pod.enter, 'setpriv', '--pdeathsig', 'KILL', process.execPath, program];
  return spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

async function ask(peer: ChildProcess, task: PeerTask): Promise<readonly number[]> {
  const answered = once(peer, 'message');
  peer.send(task);
  const [figures] = await answered;
  return figures;
}
