import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A pod: a network namespace of its own, joined to this one by a veth. */
export interface TestPod {
  readonly name: string;
  /** The number of the device on this side. */
  readonly ifindex: number;
  readonly addresses: readonly [ipv4: string, ipv6: string];
  /** How to run a command in there. */
  readonly enter: readonly string[];
}

export const NODE_ADDRESSES = ['10.0.0.1', 'fd00::1'] as const;

/**
 * Pods that this namespace routes between, which is one of the test's own (see `enterOwnNamespaces`). All goes when it is disposed of, and
 * when this process ends.
 */
export class PodNetwork implements Disposable {
  readonly #holders: ChildProcess[] = [];

  constructor() {
    for (const setting of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) sh(`echo 1 > /proc/sys/net/${setting}`);
    sh(`ip address add ${NODE_ADDRESSES[0]}/32 dev lo; ip address add ${NODE_ADDRESSES[1]}/128 dev lo`);
  }

  /** @param number from 1 to 254; the last part of its addresses, `10.0.1.N` and `fd00:1::N` */
  async addPod(name: string, number: number): Promise<TestPod> {
    const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--net', 'sh', '-c', 'echo ready; exec sleep 3600'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#holders.push(holder);
    await once(holder.stdout, 'data');
    const hex = number.toString(16);
    const addresses = [`10.0.1.${number}`, `fd00:1::${hex}`] as const;
    const enter = ['nsenter', `--net=/proc/${holder.pid}/ns/net`];
    sh(`ip link add ${name} type veth peer name eth0 netns /proc/${holder.pid}/ns/net
      echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_dad
      ip link set ${name} up
      ip address add 169.254.1.1/32 dev ${name}; ip address add fe80::1/64 dev ${name} nodad
      ip route add ${addresses[0]} dev ${name}; ip route add ${addresses[1]} dev ${name}`);
    sh(`${enter.join(' ')} sh -c '
      ip link set lo up; ip link set eth0 up
      ip address add ${addresses[0]}/32 dev eth0; ip address add ${addresses[1]}/128 dev eth0 nodad
      ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1
      ip route add default via fe80::1 dev eth0'`);
    return { name, ifindex: ifindexOf(name), addresses, enter };
  }

  [Symbol.dispose](): void {
    for (const holder of this.#holders) holder.kill('SIGKILL');
  }
}

export function ifindexOf(device: string): number {
  return Number(/^\d+/.exec(sh(`ip -o link show dev ${device}`))?.[0]);
}

/** @returns what it wrote */
export function sh(script: string): string {
  return execFileSync('sh', ['-ec', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
