import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TemporaryFolder } from '../../../testkit/temporary-folder.ts';
import { ifindexOf, sh, type TestPod } from './pod-network.ts';

const SOURCE = fileURLToPath(new URL('tunnel.c', import.meta.url));
const DEVICE = 'tunnel';

/** A device of the node without Ethernet, as tunnels have them, whose other end is in a pod, where it has addresses of its own. */
export class Tunnel implements Disposable {
  readonly ifindex: number;
  readonly addresses: readonly [ipv4: string, ipv6: string];
  readonly #process: ChildProcess;

  private constructor(addresses: Tunnel['addresses'], process: ChildProcess) {
    this.ifindex = ifindexOf(DEVICE);
    this.addresses = addresses;
    this.#process = process;
  }

  /** @param to what the pod sends by it */
  static async open(pod: TestPod, addresses: Tunnel['addresses'], to: readonly string[], folder: TemporaryFolder): Promise<Tunnel> {
    const program = folder.join('tunnel');
    execFileSync('clang', ['-o', program, SOURCE], { stdio: 'inherit' });
    const namespace = pod.enter.at(-1)?.replace('--net=', '') ?? '';
    const args = ['--pdeathsig', 'KILL', program, DEVICE, namespace];
    const child = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const inside = addresses.map((address) => `ip address add ${address} dev ${DEVICE}${address.includes(':') ? ' nodad' : ''}`);
    const routes = to.map((address) => `ip route add ${address} dev ${DEVICE} src ${addresses[address.includes(':') ? 1 : 0]}`);
    sh(`ip link set ${DEVICE} up
      ${addresses.map((address) => `ip route add ${address} dev ${DEVICE}`).join('; ')}
      ${pod.enter.join(' ')} sh -ec 'ip link set ${DEVICE} up; ${[...inside, ...routes].join('; ')}'`);
    return new Tunnel(addresses, child);
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}
