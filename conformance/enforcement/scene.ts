import assert from 'node:assert/strict';
import { join } from 'node:path';
import { z } from 'zod';
import type { Outcome } from '../../bpf/datapath/index.ts';
import { Enforcement } from '../../controller/enforcement/enforcement.ts';
import { IdentityRegistry } from '../../controller/identities/identity-registry.ts';
import { type KubeObject, refOf, validateObject } from '../../kube/index.ts';
import { PolicyEngine } from '../../policy/index.ts';
import { eventually } from '../../testkit/eventually.ts';
import { TemporaryFolder } from '../../testkit/temporary-folder.ts';
import { withoutEnvoys } from '../../testkit/without-envoys.ts';
import {
  ENDPOINT_SLICE_TYPE,
  enforcementViews,
  NODE_ENDPOINTS_TYPE,
  NODE_METHODS,
  SERVICE_TYPE,
  SnapshotCache,
  XdsServer,
} from '../../xds-server/serve/index.ts';
import { PlaceChild } from '../datapath/place-child.ts';
import { NetnsLab, type Network, type Node, type Pod } from '../lab/netns/index.ts';

export const NAMESPACE = 'shop';
const PROGRAM = new URL('agent-program.ts', import.meta.url);
/** With the capabilities that `manifests/policy.yaml` gives, and no others. */
const CAPABILITIES = '-all,+bpf,+net_admin,+net_broadcast,+perfmon';
const WITHIN = ['setpriv', '--inh-caps', CAPABILITIES, '--bounding-set', CAPABILITIES];

export interface JudgedConnection {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly passes: boolean;
}

const newcomerView = z.object({ device: z.string(), identity: z.int(), addresses: z.array(z.string()) });
export type Newcomer = z.infer<typeof newcomerView>;

/** A controller outside and an agent on each node of a lab, with everything between them and packets: `await using scene = …`. */
export class EnforcementScene implements AsyncDisposable {
  readonly lab: NetnsLab;
  readonly cache = new SnapshotCache();
  readonly told: unknown[] = [];
  readonly #folder = new TemporaryFolder();
  readonly #registry = new IdentityRegistry({ now: () => performance.now() });
  readonly #enforcement = new Enforcement({
    engine: new PolicyEngine({ allocator: this.#registry }),
    registry: this.#registry,
    cache: this.cache,
    services: true,
    ...withoutEnvoys,
  });
  readonly #agents = new Map<string, PlaceChild<object>>();
  #server: XdsServer;

  private constructor(lab: NetnsLab) {
    this.lab = lab;
    this.#server = this.#makeServer();
  }

  static async start(network: Network): Promise<EnforcementScene> {
    const scene = new EnforcementScene(await NetnsLab.start({ network }));
    const namespace = read({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    scene.publish(namespace, ...scene.lab.nodes.map(nodeObject), ...scene.lab.pods.map((pod) => podObject(pod)));
    await scene.startController();
    return scene;
  }

  async startController(): Promise<void> {
    await this.#server.listen({ path: this.#socket });
  }

  async stopController(): Promise<void> {
    await this.#server.close(0);
    this.#server = this.#makeServer();
  }

  /** Resolves when what is published is in force on the node. */
  async startAgent(node: Node): Promise<void> {
    const agent = new PlaceChild<object>(node, PROGRAM, (told) => this.told.push(told), WITHIN);
    this.#agents.set(node.name, agent);
    const [pinFolder, storeFolder] = [`${node.bpfFolder}/sluice`, join(this.#folder.path, node.name)];
    await agent.ask({ kind: 'start', socket: this.#socket, nodeName: node.name, pinFolder, cgroup: node.rootCgroup, storeFolder });
  }

  async killAgent(node: Node): Promise<void> {
    await this.#agents.get(node.name)?.kill();
  }

  /** Takes objects in, as does the replica that leads. */
  publish(...objects: readonly KubeObject[]): void {
    this.#enforcement.take({ upserts: objects, removals: [] });
    const written = this.#registry.actions().flatMap((action) => (action.kind === 'apply' ? [read(withUid(action.manifest))] : []));
    if (written.length > 0) this.#enforcement.take({ upserts: written, removals: [] });
  }

  withdraw(...objects: readonly KubeObject[]): void {
    this.#enforcement.take({ upserts: [], removals: objects.map(refOf) });
  }

  /** Resolves when all agents have in force what is published. */
  async inForce(): Promise<void> {
    const { revision } = this.cache;
    for (const node of this.lab.nodes)
      await this.#server.waitSynced(node.name, { revision, types: [ENDPOINT_SLICE_TYPE, SERVICE_TYPE, NODE_ENDPOINTS_TYPE] });
  }

  /** How many packets of this outcome there were on a node, such as `dropped-denied`. */
  async packets(node: Node, outcome: Outcome): Promise<number> {
    const count = await this.#agents.get(node.name)?.ask({ kind: 'packets', outcome });
    assert.equal(typeof count, 'number');
    return Number(count);
  }

  /** When the kernel of a node judges a connection to one of its pods so, in milliseconds of the monotonic clock. */
  async untilJudged(node: Node, wanted: JudgedConnection): Promise<number> {
    const time = await this.#agents.get(node.name)?.ask({ kind: 'until-judged', ...wanted });
    assert.equal(typeof time, 'number');
    return Number(time);
  }

  /** Devices of pods that nobody has told the addresses of, as these are judged on a node. */
  async newcomers(node: Node): Promise<readonly Newcomer[]> {
    return z.array(newcomerView).parse(await this.#agents.get(node.name)?.ask({ kind: 'newcomers' }));
  }

  async eventuallyTold(kind: string): Promise<void> {
    await eventually(() =>
      assert.ok(this.told.some((told) => typeof told === 'object' && told !== null && 'kind' in told && told.kind === kind)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.values()) await agent[Symbol.asyncDispose]();
    await this.#server.close(0);
    await this.lab.stop();
    this.#folder.dispose();
  }

  get #socket(): string {
    return this.#folder.join('controller.sock');
  }

  #makeServer(): XdsServer {
    const { cache } = this;
    const views = enforcementViews(cache);
    return new XdsServer({ cache, views, methods: NODE_METHODS });
  }
}

/** @throws AssertionError where the manifest is wrong */
export function read(manifest: object): KubeObject {
  const validation = validateObject(manifest);
  assert.equal(validation.result, 'valid', JSON.stringify(validation));
  return validation.object;
}

/** One that is to start on a node, and that has no address yet. */
export function awaitedObject(name: string, node: string, labels: Readonly<Record<string, string>>): KubeObject {
  return read({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, uid: `uid-${name}`, labels },
    spec: { nodeName: node, containers: [{ name: 'main' }] },
    status: { phase: 'Pending' },
  });
}

/** As the pod's name says: `pod-1-2` is of the application `pod-1-2`. */
export function podObject(
  { name, node, addresses, isHostNetwork }: Pod,
  labels: Readonly<Record<string, string>> = { app: name },
): KubeObject {
  const podIPs = Object.values(addresses).map((ip) => ({ ip }));
  return read({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, uid: `uid-${name}`, labels },
    spec: { nodeName: node, hostNetwork: isHostNetwork, containers: [{ name: 'main' }] },
    status: { phase: 'Running', podIP: addresses.ipv4, podIPs },
  });
}

function nodeObject({ name, addresses, plan }: Node): KubeObject {
  return read({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDRs: Object.values(plan.pods) },
    status: { addresses: Object.values(addresses).map((address) => ({ type: 'InternalIP', address })) },
  });
}

function withUid(manifest: { readonly metadata: { readonly name: string } }): object {
  return { ...manifest, metadata: { ...manifest.metadata, uid: `uid-${manifest.metadata.name}` } };
}
