import { SteeringNetwork } from '../../../agent/network/index.ts';
import { type DirectionPolicy, type Identity, IP_PROTOCOLS, RESERVED_IDENTITIES, UPSTREAM_PORTS } from '../../../model/index.ts';
import { TemporaryFolder } from '../../../testkit/temporary-folder.ts';
import type { Cgroup } from '../../libbpf-ts/testing/cgroup.ts';
import { Datapath } from '../index.ts';
import { BRIDGE_ADDRESSES, joinByBridge } from './bridge.ts';
import { CLIENT, OPEN, OTHER, SMALL, verdict, WEB } from './judged.ts';
import { NODE_ADDRESSES, PodNetwork, sh, type TestPod } from './pod-network.ts';
import { StreamPeer } from './stream-peer.ts';
import { compileProxy, type ProxyService, type ProxySlot, TransparentProxy } from './transparent-proxy.ts';

export const WEB_PORT = 8080;
export const EGRESS_SLOT = { direction: 'egress', port: 10_001 } as const;
export const INGRESS_SLOT = { direction: 'ingress', port: 10_002 } as const;
export const OTHER_EGRESS_SLOT = { direction: 'egress', port: 10_003 } as const;
export const OTHER_INGRESS_SLOT = { direction: 'ingress', port: 10_004 } as const;
export const SLOTS = [EGRESS_SLOT, INGRESS_SLOT, OTHER_EGRESS_SLOT, OTHER_INGRESS_SLOT] as const;
const PROXY_PORTS = { first: 10_000, last: 19_999 };
const SEEN = 'seen';
const MARKED = 'marked';
export const PINS = '/sys/fs/bpf/sluice';

/** What a slot of the tests is called. */
export function slotName({ direction, port }: ProxySlot): string {
  return `http/${direction}/${port}`;
}

/** A verdict that leads what is for the port to a slot. */
export function steered(slot: ProxySlot, peer: Identity, port = WEB_PORT, protocol: number = IP_PROTOCOLS.TCP): DirectionPolicy {
  return {
    defaultDeny: true,
    verdicts: [{ ...verdict('slot', peer, protocol, port), decision: { kind: 'slot', slot: slotName(slot) } }],
  };
}

/** Policies of the pods; what is not said is open. */
export interface WorldPolicies {
  readonly web?: DirectionPolicy;
  readonly client?: DirectionPolicy;
}

type Pods = Readonly<Record<'web' | 'client' | 'other' | 'outside', TestPod>>;

interface Owned {
  readonly network: PodNetwork;
  readonly steering: SteeringNetwork;
  readonly folder: TemporaryFolder;
  readonly resources: AsyncDisposableStack;
}

/**
 * Pods `web`, which serves, `client` and `other`, a machine outside, and the node with what it needs for steering, in namespaces of the test's
 * own (see `enterOwnNamespaces`).
 */
export class SteeredWorld implements AsyncDisposable {
  readonly pods: Pods;
  readonly peers: Readonly<Record<keyof Pods | 'node', StreamPeer>>;
  datapath: Datapath;
  proxy: TransparentProxy;
  readonly network: PodNetwork;
  readonly #steering: SteeringNetwork;
  readonly #folder: TemporaryFolder;
  readonly #resources: AsyncDisposableStack;

  private constructor(parts: Pick<SteeredWorld, 'pods' | 'peers' | 'datapath' | 'proxy'>, owned: Owned) {
    this.pods = parts.pods;
    this.peers = parts.peers;
    this.datapath = parts.datapath;
    this.proxy = parts.proxy;
    this.network = owned.network;
    this.#steering = owned.steering;
    this.#folder = owned.folder;
    this.#resources = owned.resources;
  }

  /** @param links how the pods are joined to the node; the machine outside is always routed to */
  static async open(links: 'routed' | 'bridged' = 'routed'): Promise<SteeredWorld> {
    await using resources = new AsyncDisposableStack();
    const folder = new TemporaryFolder();
    resources.defer(() => folder.dispose());
    compileProxy(folder.join('proxy'));
    const network = resources.use(new PodNetwork());
    const pods = await makePods(network);
    if (links === 'bridged') joinByBridge([pods.web, pods.client, pods.other], pods.outside);
    const steering = resources.use(SteeringNetwork.open({ stateFolder: folder.join('state'), proxyPorts: PROXY_PORTS, onEvent: () => {} }));
    const peerAt = (where: Pick<TestPod, 'enter'>) => resources.use(new StreamPeer(where));
    const peers = {
      web: peerAt(pods.web),
      client: peerAt(pods.client),
      other: peerAt(pods.other),
      outside: peerAt(pods.outside),
      node: peerAt({ enter: [] }),
    };
    for (const peer of [peers.web, peers.outside, peers.node]) await peer.serve(WEB_PORT);
    const proxy = await TransparentProxy.start(folder.join('proxy'), SLOTS);
    resources.defer(() => proxy.kill());
    const datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL, monitor: 'connections' });
    const world = new SteeredWorld({ pods, peers, datapath, proxy }, { network, steering, folder, resources: resources.move() });
    await world.#enforce();
    return world;
  }

  /** Of the device at which packets come in again. */
  get steeringDevice(): number {
    return this.#steering.ifindex;
  }

  /** Of its other end, by which what Envoy's own sockets send gets there. */
  get steeringEntry(): number {
    return this.#steering.entryIfindex;
  }

  async setPolicies({ web = OPEN, client = OPEN }: WorldPolicies): Promise<void> {
    await this.datapath.verdicts.set([
      { subject: WEB, ingress: web, egress: OPEN },
      { subject: CLIENT, ingress: OPEN, egress: client },
    ]);
  }

  async setRedirects(...slots: readonly (ProxySlot & { readonly ready?: boolean })[]): Promise<void> {
    await this.datapath.redirects.set(
      slots.map(({ direction, port, ready = true }) => ({ slot: slotName({ direction, port }), port, ready })),
    );
  }

  /** One more proxy, whose sockets are in a cgroup; to be ended by whoever asked for it. */
  async startServices(services: readonly ProxyService[], cgroup: Cgroup): Promise<TransparentProxy> {
    return await TransparentProxy.start(this.#folder.join('proxy'), services, cgroup);
  }

  /** In place of the one before. */
  async startProxy(): Promise<void> {
    await this.proxy.kill();
    this.proxy = await TransparentProxy.start(this.#folder.join('proxy'), SLOTS);
  }

  /** As another process takes over what this one leaves. */
  async reopen(): Promise<void> {
    this.datapath[Symbol.dispose]();
    this.datapath = await Datapath.open({ pinFolder: PINS, sizes: SMALL, monitor: 'connections' });
  }

  /** How many segments that open a connection got to the pod that serves, of anybody or of anybody but the proxy. */
  opened(by: 'anybody' | 'others' = 'anybody'): number {
    const { enter } = this.pods.web;
    return Number(/packets (\d+)/.exec(sh(`${enter.join(' ')} nft list counter inet ${SEEN} ${by}`))?.[1]);
  }

  /** Has all that a pod sends marked within it, as root there may do. */
  markPackets({ enter }: TestPod, mark: number): Disposable {
    const nft = (rules: string) => sh(`${enter.join(' ')} nft '${rules}'`);
    nft(`table inet ${MARKED} { chain sent { type filter hook output priority 0; meta mark set ${mark}; }; }`);
    return { [Symbol.dispose]: () => void nft(`delete table inet ${MARKED}`) };
  }

  /** How many packets had this outcome, both ways together. */
  counted(outcome: string): bigint {
    const counters = this.datapath.counters().filter((counter) => counter.outcome === outcome);
    return counters.reduce((sum, { packets }) => sum + packets, 0n);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.kill();
    this.datapath.cleanUp();
    await this.#resources.disposeAsync();
  }

  async #enforce(): Promise<void> {
    const { datapath, pods } = this;
    const entries = (addresses: readonly string[], identity: Identity) =>
      addresses.map((address) => ({ prefix: `${address}/${address.includes(':') ? 128 : 32}`, identity }));
    await datapath.addresses.replace([
      ...entries(pods.web.addresses, WEB),
      ...entries(pods.client.addresses, CLIENT),
      ...entries(pods.other.addresses, OTHER),
      ...entries([pods.outside.addresses[0]], RESERVED_IDENTITIES['world-ipv4']),
      ...entries([pods.outside.addresses[1]], RESERVED_IDENTITIES['world-ipv6']),
      ...entries([...NODE_ADDRESSES, ...BRIDGE_ADDRESSES, '169.254.1.1', 'fe80::1'], RESERVED_IDENTITIES.host),
    ]);
    await this.setPolicies({});
    await datapath.verdicts.set([{ subject: OTHER, ingress: OPEN, egress: OPEN }]);
    await this.setRedirects(...SLOTS);
    for (const [pod, identity] of [
      [pods.web, WEB],
      [pods.client, CLIENT],
      [pods.other, OTHER],
    ] as const) {
      await datapath.endpoints.set(pod.ifindex, { identity, addresses: pod.addresses });
      datapath.attachPod(pod.ifindex);
    }
    datapath.attachNetwork(pods.outside.ifindex);
    datapath.attachSteering(this.steeringDevice, this.steeringEntry);
  }
}

async function makePods(network: PodNetwork): Promise<Pods> {
  sh('echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter; echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter');
  const pods = {
    web: await network.addPod('web', 1),
    client: await network.addPod('client', 2),
    other: await network.addPod('other', 3),
    outside: await network.addPod('outside', 4),
  };
  sh(`${pods.web.enter.join(' ')} nft '
    table inet ${SEEN} {
      counter anybody { };
      counter others { };
      chain opened {
        type filter hook prerouting priority -300;
        tcp flags & (syn | ack) == syn counter name anybody;
        tcp flags & (syn | ack) == syn tcp sport < ${UPSTREAM_PORTS.egress.first} counter name others;
      };
    }'`);
  return pods;
}
