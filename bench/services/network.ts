import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** As clients of Services see it: a default route that leads nowhere, and backends on loopback. */
const SET_UP = `ip link set lo up
for last in 1 2 3; do ip address add 10.1.0.$last/32 dev lo; done
ip link add out type veth peer name away
ip address add 10.2.0.1/24 dev out
ip link set out up
ip link set away up
ip route add default via 10.2.0.254
echo ready; exec sleep infinity`;

/** A network namespace, which is there as long as a process of its own; that ends with this process at the latest. */
export class Network implements AsyncDisposable {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async make(): Promise<Network> {
    const command = ['--pdeathsig', 'KILL', 'unshare', '--net', 'sh', '-e', '-c', SET_UP];
    const holder = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'inherit'] });
    const network = new Network(holder);
    const [first] = await once(holder.stdout, 'data');
    if (!String(first).startsWith('ready')) throw new Error('the network was not set up');
    return network;
  }

  /** Runs a command in there. @returns what it printed */
  run(command: readonly string[], input = ''): string {
    const enter = [`--net=/proc/${this.#holder.pid}/ns/net`, ...command];
    return execFileSync('nsenter', enter, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#holder, 'exit');
    this.#holder.kill('SIGKILL');
    await ended;
  }
}
