import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { NetnsLab, type NetnsLabOptions, type Network, type Node, type Pod } from '../lab/netns/index.ts';
import { HttpPeer } from './http-peer.ts';
import { SLUICE, SluiceRun } from './sluice-run.ts';

/** An object as it stands in a file. */
export type Manifest = Readonly<Record<string, unknown>>;

export interface LabelledPod {
  readonly name: string;
  /** Default: `node-1`. */
  readonly node?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Default: `default`. */
  readonly namespace?: string;
  /** What controls it. Default: nothing. */
  readonly controller?: { readonly kind: string; readonly name: string };
  /** What else stands in its manifest's spec. */
  readonly spec?: Manifest;
}

export interface SteeredLabOptions extends Pick<NetnsLabOptions, 'network'> {
  /** Default: 2. */
  readonly nodes?: number;
  readonly pods: readonly LabelledPod[];
  /** Pods of which, as of nodes, no objects are written: these are for the test to set. Default: none, and nodes have objects. */
  readonly podsPerNode?: number;
  /** The program that is the Envoy of each node. Default: the one of the set-up. */
  readonly envoy?: string;
  /** That Ingresses are served on. Default: loopback. */
  readonly address?: string;
  /** What differs from Sluice's settings by default. */
  readonly settings?: object;
  /** Told each line of the logs of the Sluices. */
  readonly onLine?: (line: string) => void;
}

/**
 * Nodes with a Sluice each that enforces the policies of one folder, and pods that talk HTTP:
 *
 *     await using lab = await SteeredLab.start({ network: 'routed', pods: [{ name: 'web', labels: { app: 'web' } }] });
 *     await lab.set('policy', [policy]);
 *     await lab.peer('client').ask({ url: `http://${lab.url('web')}/` });
 */
export class SteeredLab implements AsyncDisposable {
  readonly lab: NetnsLab;
  /** By the node's name. */
  readonly sluices = new Map<string, SluiceRun>();
  readonly #runOptions: Pick<SteeredLabOptions, 'envoy' | 'address' | 'settings' | 'onLine'>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-layer7-'));
  readonly #peers = new Map<string, HttpPeer>();
  /** Objects of pods, some of which have no addresses yet, or whose pod is gone. */
  readonly #pods = new Map<string, Manifest>();
  /** By the file's name. */
  readonly #written = new Map<string, string>();

  private constructor(lab: NetnsLab, runOptions: Pick<SteeredLabOptions, 'envoy' | 'address' | 'settings' | 'onLine'>) {
    this.lab = lab;
    this.#runOptions = runOptions;
    mkdirSync(this.#manifests);
  }

  static async start({ network, nodes = 2, pods, podsPerNode = 0, ...runOptions }: SteeredLabOptions): Promise<SteeredLab> {
    const steered = new SteeredLab(await NetnsLab.start({ network, nodes, podsPerNode }), runOptions);
    try {
      if (podsPerNode === 0) await steered.#describe(network, pods);
      await Promise.all(steered.lab.nodes.map(({ name }) => steered.startSluice(name)));
      return steered;
    } catch (error) {
      await steered[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #describe(network: Network, pods: readonly LabelledPod[]): Promise<void> {
    this.write(
      'nodes',
      this.lab.nodes.map((node) => nodeManifest(node, network)),
    );
    await this.addPods(...pods);
  }

  /** Pods that are there before the Sluices of their nodes, or beside them. */
  async addPods(...pods: readonly LabelledPod[]): Promise<void> {
    await this.lab.addPods(...pods.map(({ name, node = 'node-1' }) => ({ name, node })));
    for (const pod of pods) this.#pods.set(pod.name, podManifest(pod, this.lab.pod(pod.name).addresses));
    const manifests = [...this.#pods.values()];
    if (this.sluices.size > 0) await this.set('pods', manifests);
    else this.write('pods', manifests);
  }

  /** Tells of a pod that is there, without waiting for anything. */
  announce(pod: LabelledPod): void {
    this.#tellPods(() => this.#pods.set(pod.name, podManifest(pod, this.lab.pod(pod.name).addresses)));
  }

  /** Tells of a pod that has a node and no addresses yet, without waiting for anything. */
  announceUnaddressed(pod: LabelledPod): void {
    this.#tellPods(() => this.#pods.set(pod.name, podManifest(pod)));
  }

  /** Tells that a pod is gone, without waiting for anything. */
  withdraw(name: string): void {
    this.#tellPods(() => this.#pods.delete(name));
  }

  /**
   * Takes a pod away, of which is still told; what runs there ends as by a crash, and no connection of its is closed.
   * @param program what runs there beside the peer
   */
  async removePod(name: string, program?: AsyncDisposable): Promise<void> {
    const peer = this.#peers.get(name);
    this.#peers.delete(name);
    await this.lab.removePod(name, async () => {
      await peer?.[Symbol.asyncDispose]();
      await program?.[Symbol.asyncDispose]();
    });
  }

  /** Takes a pod away, and tells of it without waiting for anything. */
  async forget(name: string): Promise<void> {
    await this.removePod(name);
    this.withdraw(name);
  }

  async startSluice(node: string): Promise<SluiceRun> {
    const sluice = await SluiceRun.start(this.lab.node(node), {
      manifests: this.#manifests,
      folder: this.folderOf(node),
      ...this.#runOptions,
    });
    this.sluices.set(node, sluice);
    return sluice;
  }

  /** Puts objects in force, in place of those that had this name before. */
  async set(name: string, objects: readonly Manifest[]): Promise<void> {
    if ((this.#written.get(name) ?? '') === textOf(objects)) return;
    await this.#whileEnforced(() => this.write(name, objects));
  }

  /** Takes objects out of force. */
  async unset(name: string): Promise<void> {
    this.#written.delete(name);
    await this.#whileEnforced(() => rmSync(join(this.#manifests, `${name}.yaml`)));
  }

  /** As {@link SteeredLab.set}, without waiting for anything. */
  write(name: string, objects: readonly Manifest[]): void {
    const text = textOf(objects);
    this.#written.set(name, text);
    writeFileSync(join(this.#manifests, `${name}.yaml`), text);
  }

  /** What runs in a pod, on a node or outside, to talk HTTP; started when it is first asked for. */
  peer(place: string): HttpPeer {
    const known = this.#peers.get(place);
    if (known) return known;
    const found = this.lab.places.find(({ name }) => name === place);
    if (!found) throw new Error(`there is no ${place}`);
    const peer = new HttpPeer(found);
    this.#peers.set(place, peer);
    return peer;
  }

  /** Where the Sluice of a node keeps what outlives it. */
  folderOf(node: string): string {
    return join(this.#folder, node);
  }

  /** Runs a command of Sluice on a node. @returns what it prints @throws LabError with what it says, where it fails */
  async sluice(node: string, args: readonly string[]): Promise<string> {
    return await this.lab.node(node).run([SLUICE, ...args]);
  }

  /** What the kernel of a node has, as JSON: see `sluice bpf`. */
  async tables(node: string, which: string): Promise<string> {
    return await this.sluice(node, ['bpf', which, '--pin-folder', `${this.lab.node(node).bpfFolder}/sluice`, '-o', 'json']);
  }

  /** Looks at something; where it is not as it should be, what is thrown says what the kernel of a node has and has dropped. */
  async explained(node: string, look: () => Promise<void>): Promise<void> {
    try {
      await look();
    } catch (cause) {
      const tables = ['metrics', 'policy', 'ipcache'].map(async (which) => `${which}: ${await this.tables(node, which)}`);
      const status = this.sluice(node, ['status', '-o', 'json']);
      // A node that is ill may not say.
      const told = await Promise.all([status, ...tables].map((text) => text.catch(String)));
      throw new Error([String(cause), ...told].join('\n'), { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#peers.values()].map((peer) => peer[Symbol.asyncDispose]()));
    await Promise.all([...this.sluices.values()].map((sluice) => sluice.kill()));
    await this.lab.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #manifests(): string {
    return join(this.#folder, 'manifests');
  }

  async #whileEnforced(change: () => void): Promise<void> {
    const before = [...this.sluices.values()].map((sluice) => ({ sluice, since: sluice.said }));
    change();
    await Promise.all(before.map(({ sluice, since }) => sluice.enforced(since)));
  }

  #tellPods(change: () => unknown): void {
    change();
    this.write('pods', [...this.#pods.values()]);
  }
}

function textOf(objects: readonly Manifest[]): string {
  return objects.map((object) => dump(object, { noRefs: true })).join('---\n');
}

/** Each node has its own. */
export function zoneOf(node: string): string {
  return `zone-of-${node}`;
}

function nodeManifest({ name, plan }: Node, network: Network): Manifest {
  const addresses = Object.values(plan.addresses).map((address) => ({ type: 'InternalIP', address }));
  // By these it is known which addresses tunnels have.
  const annotations = { 'flannel.alpha.coreos.com/backend-type': 'vxlan', 'flannel.alpha.coreos.com/public-ip': plan.addresses.ipv4 };
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zoneOf(name) };
  const metadata = { name, labels, ...(network === 'vxlan' && { annotations }) };
  return { apiVersion: 'v1', kind: 'Node', metadata, spec: { podCIDRs: Object.values(plan.pods) }, status: { addresses } };
}

function podManifest(
  { name, node = 'node-1', namespace = 'default', labels, annotations = {}, controller, spec = {} }: LabelledPod,
  addresses?: Pod['addresses'],
): Manifest {
  const owner = controller && { apiVersion: 'v1', ...controller, uid: controller.name, controller: true };
  const metadata = { name, namespace, labels, annotations, ...(owner && { ownerReferences: [owner] }) };
  const status = addresses ? statusOf({ addresses }) : {};
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...spec, nodeName: node }, status };
}

/** The status of a pod's object. */
export function statusOf({ addresses }: Pick<Pod, 'addresses'>): Manifest {
  return { podIPs: Object.values(addresses).map((ip) => ({ ip })) };
}
