import { rmdirSync } from 'node:fs';
import { eventually } from '../../../testkit/eventually.ts';
import { LabError } from '../lab-error.ts';
import { Keeper } from './keeper.ts';
import { type Masquerading, masqueradingRules } from './masquerade.ts';
import {
  betweenNodesScript,
  forgetPathsScript,
  narrowScript,
  nodeScript,
  OUTSIDE_NAME,
  outsideScript,
  podRemovalScript,
  podScript,
} from './network-script.ts';
import { Node, Place, Pod, pathOutside, runScript } from './place.ts';
import { type Network, OUTSIDE, type PlannedPod, planHostPod, planNode, planPod } from './plan.ts';
import { buildProber } from './prober.ts';

export type { Masquerading, NodePort } from './masquerade.ts';
export { Node, Place, Pod, processIn, WITH_OWN_PROC } from './place.ts';
export { FAMILIES, type Family, familyOf, MTU, NETWORKS, type Network, NODE_NETWORK, OUTSIDE, POD_NETWORK, ROUTER } from './plan.ts';
export { OUTCOMES, type Outcome, type Probe, type ProbeProtocol, type Prober, Stream, type StreamState } from './prober.ts';

export interface NetnsLabOptions {
  readonly network: Network;
  /** Default: 2; at most 9. */
  readonly nodes?: number;
  /** To begin with, named `pod-NODE-NUMBER`. Default: 2. */
  readonly podsPerNode?: number;
}

export interface NewPod {
  readonly name: string;
  /** `node-1`, … */
  readonly node: string;
  /** Whether it is in the network of its node. Default: false. */
  readonly isHostNetwork?: boolean;
  /** A pod that was removed from the same node, whose addresses and MAC this one has. Default: it has such as nobody has had. */
  readonly addressesOf?: string;
}

/**
 * Nodes and pods as network namespaces of one machine, of both families, and a router that is also the world outside. Nodes forward and
 * filter nothing: without a program, everything reaches everything. It ends with this process, however that ends, and nothing is left of it.
 *
 *     await using lab = await NetnsLab.start({ network: 'routed' });
 *     const [a, b] = lab.pods;
 *     await b.prober.serve('TCP', 8080);
 *     await a.prober.probe({ protocol: 'TCP', to: b.addresses.ipv6, port: 8080 }); // 'answered'
 */
export class NetnsLab implements AsyncDisposable {
  readonly network: Network;
  readonly nodes: readonly Node[];
  /** The router in the middle, which has addresses that are neither pods' nor nodes': those of {@link OUTSIDE}. */
  readonly outside: Place;
  readonly keeper: Keeper;
  readonly #program: string;
  readonly #pods = new Map<string, Pod>();
  /** Pods that a node has ever had, since an address is not to mean two of them. */
  readonly #numbers = new Map<string, number>();
  /** Pods that were removed. */
  readonly #gone = new Map<string, PlannedPod>();

  private constructor(network: Network, nodes: readonly Node[], outside: Place, keeper: Keeper, program: string) {
    this.network = network;
    this.nodes = nodes;
    this.outside = outside;
    this.keeper = keeper;
    this.#program = program;
  }

  /** @throws LabError */
  static async start({ network, nodes: count = 2, podsPerNode = 2 }: NetnsLabOptions): Promise<NetnsLab> {
    const plans = Array.from({ length: count }, (_, index) => planNode(network, index + 1));
    const program = await buildProber();
    const keeper = await Keeper.start();
    try {
      const between = plans.flatMap((from) => plans.filter((to) => to !== from).map((to) => betweenNodesScript(network, from, to)));
      await runScript(keeper, [...outsideScript(), ...plans.flatMap((plan) => nodeScript(network, plan)), ...between.flat()]);
      const outside = new Place(
        { name: OUTSIDE_NAME, addresses: OUTSIDE[0], network: OUTSIDE_NAME, cgroup: OUTSIDE_NAME },
        keeper,
        program,
      );
      const nodes = plans.map((plan) => new Node(plan, keeper, program));
      const lab = new NetnsLab(network, nodes, outside, keeper, program);
      const names = nodes.flatMap((node) => Array.from({ length: podsPerNode }, (_, index) => ({ node: node.name, number: index + 1 })));
      await lab.addPods(...names.map(({ node, number }) => ({ node, name: node.replace('node', 'pod').concat(`-${number}`) })));
      return lab;
    } catch (error) {
      await keeper.end();
      throw error;
    }
  }

  get pods(): readonly Pod[] {
    return [...this.#pods.values()];
  }

  /** Everywhere that something can be asked from. */
  get places(): readonly Place[] {
    return [...this.nodes, this.outside, ...this.pods];
  }

  /** @throws LabError `not-found` */
  node(name: string): Node {
    return found(
      this.nodes.find((node) => node.name === name),
      name,
    );
  }

  /** @throws LabError `not-found` */
  pod(name: string): Pod {
    return found(this.#pods.get(name), name);
  }

  async addPod(pod: NewPod): Promise<Pod> {
    await this.addPods(pod);
    return this.pod(pod.name);
  }

  async addPods(...pods: readonly NewPod[]): Promise<void> {
    const plans = pods.map((pod) => this.#plan(pod));
    await runScript(
      this.keeper,
      plans.flatMap((plan) => podScript(this.network, plan)),
    );
    for (const plan of plans) this.#pods.set(plan.name, new Pod(plan, this.keeper, this.#program));
  }

  /**
   * Ends its prober and takes its device away; other programs in it go on in a network with nothing but loopback.
   * @param end ends these, once nobody hears of it any more
   */
  async removePod(name: string, end: () => Promise<void> | undefined = () => undefined): Promise<void> {
    const pod = this.pod(name);
    this.#pods.delete(name);
    this.#gone.set(name, pod.plan);
    pod.prober.end();
    await runScript(this.keeper, podRemovalScript(pod.plan));
    await end();
    await eventually(() => rmdirSync(pathOutside(this.keeper, pod.cgroup)));
  }

  /** Takes a pod's link away and makes it anew, with the same name and addresses. */
  async recreateDevice(name: string): Promise<void> {
    const { plan } = this.pod(name);
    if (plan.device === undefined) throw new LabError('refused', `${name} has no device of its own`);
    const anew = podScript(this.network, plan).filter((line) => !line.startsWith('ip netns add'));
    await runScript(this.keeper, [`ip -n ${plan.node.name} link delete ${plan.device}`, ...anew]);
  }

  /**
   * Has pods reached by packets of no more bytes than these, at least 1280. Only their own nodes know, so that who sends larger ones, from another node or as
   * a pod, is told by ICMP. What nodes and pods were told of paths before is forgotten.
   */
  async narrow(mtu: number): Promise<void> {
    const routes = this.pods.flatMap(({ plan }) => narrowScript(this.network, plan, mtu));
    await runScript(this.keeper, [...routes, ...[...this.nodes, ...this.pods].flatMap(({ name }) => forgetPathsScript(name))]);
  }

  /** Replaces what was masqueraded before, on all nodes; at first nothing is. */
  async masquerade(masquerading: Masquerading): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.run(['nft', '-f', '-'], masqueradingRules(node.plan, masquerading))));
  }

  /** Ends the lab; resolves when nothing is left of it. */
  async stop(): Promise<void> {
    await this.keeper.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #plan({ name, node: nodeName, isHostNetwork = false, addressesOf }: NewPod): PlannedPod {
    const { plan: node } = this.node(nodeName);
    if (this.#pods.has(name)) throw new LabError('exists', `there is a pod ${name} already`);
    if (isHostNetwork) return planHostPod(node, name);
    if (addressesOf !== undefined) {
      const former = this.#gone.get(addressesOf);
      if (former?.node !== node) throw new LabError('not-found', `no pod ${addressesOf} was removed from ${nodeName}`);
      this.#gone.delete(addressesOf);
      return { ...former, name };
    }
    const number = (this.#numbers.get(nodeName) ?? 0) + 1;
    this.#numbers.set(nodeName, number);
    return planPod(node, name, number);
  }
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new LabError('not-found', `there is no ${name} in the lab`);
  return value;
}
