import { RESERVED_IDENTITIES } from '../../../model/index.ts';
import { sh, type TestPod } from './pod-network.ts';
import type { SteeredWorld } from './steered-world.ts';
import { StreamPeer } from './stream-peer.ts';

const NUMBER = 5;
const DEVICE = 'far';

/** A host that is reached by way of `outside`, which is its router. */
export class FarHost implements AsyncDisposable {
  readonly addresses: readonly [ipv4: string, ipv6: string];
  /** How to run a command there. */
  readonly enter: readonly string[];
  readonly peer: StreamPeer;
  readonly #world: SteeredWorld;

  private constructor({ addresses, enter }: TestPod, peer: StreamPeer, world: SteeredWorld) {
    this.addresses = addresses;
    this.enter = enter;
    this.peer = peer;
    this.#world = world;
  }

  /** @param mtu of the router's device that leads to the host, which itself takes and sends larger packets */
  static async behind(world: SteeredWorld, { mtu }: { readonly mtu: number }): Promise<FarHost> {
    const { outside } = world.pods;
    const pod = await world.network.addPod(DEVICE, NUMBER);
    const [ipv4, ipv6] = pod.addresses;
    const inside = outside.enter.join(' ');
    sh(`ip link set ${DEVICE} netns ${outside.enter.at(-1)?.replace('--net=', '')}
      ip route replace ${ipv4} via ${outside.addresses[0]} dev ${outside.name} onlink
      ip route replace ${ipv6} via ${outside.addresses[1]} dev ${outside.name} onlink
      ${inside} sh -ec '
        echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        ip link set ${DEVICE} mtu ${mtu} up; ip address add fe80::1/64 dev ${DEVICE} nodad
        ip route add ${ipv4} dev ${DEVICE}; ip route add ${ipv6} dev ${DEVICE}'
      ${pod.enter.join(' ')} ip route replace default via ${outside.addresses[0]} dev eth0 onlink`);
    await world.datapath.addresses.apply({
      set: [
        { prefix: `${ipv4}/32`, identity: RESERVED_IDENTITIES['world-ipv4'] },
        { prefix: `${ipv6}/128`, identity: RESERVED_IDENTITIES['world-ipv6'] },
      ],
    });
    return new FarHost(pod, new StreamPeer(pod), world);
  }

  /** What senders have learned of the path by now. */
  forgetPaths(): void {
    const { client, web } = this.#world.pods;
    for (const within of ['', client.enter.join(' '), web.enter.join(' ')])
      sh(`${within} ip route flush cache; ${within} ip -6 route flush cache`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
  }
}
