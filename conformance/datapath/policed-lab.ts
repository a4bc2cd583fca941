import { z } from 'zod';
import { type KubeObject, refOf } from '../../kube/index.ts';
import { objectKey, type PodEndpoint } from '../../model/index.ts';
import { type PolicyChange, PolicyEngine } from '../../policy/index.ts';
import { ADDRESS_TYPE, type Resource, SUBJECT_POLICY_TYPE } from '../../xds-server/serve/index.ts';
import { translateAddress, translateNodeEndpoints } from '../../xds-server/translate/node/identities.ts';
import { translateSubjectPolicy } from '../../xds-server/translate/node/policy.ts';
import { NetnsLab, type NetnsLabOptions, type Node } from '../lab/netns/index.ts';
import { PlaceChild } from './place-child.ts';
import type { NodeRequest } from './policed-node-program.ts';

const countersView = z.record(z.string(), z.number());
const PROGRAM = new URL('policed-node-program.ts', import.meta.url);

/** A lab whose pods are under policy: what objects say is compiled here, and put in force by a process on each node. */
export class PolicedLab implements AsyncDisposable {
  readonly lab: NetnsLab;
  /** What nodes could not do. */
  readonly failures: string[] = [];
  readonly #engine = new PolicyEngine();
  readonly #nodes = new Map<string, PlaceChild<NodeRequest>>();
  readonly #objects = new Map<string, KubeObject>();
  readonly #endpoints = new Map<string, PodEndpoint>();
  readonly #resources = new Map<string, Resource>();

  private constructor(lab: NetnsLab) {
    this.lab = lab;
  }

  /** Nothing is enforced before {@link PolicedLab.startNodes}. */
  static async start(options: NetnsLabOptions): Promise<PolicedLab> {
    return new PolicedLab(await NetnsLab.start(options));
  }

  async startNodes(): Promise<void> {
    await Promise.all(this.lab.nodes.map((node) => this.startNode(node)));
  }

  /** Resolves when what the objects say is in force on it. */
  async startNode(node: Node): Promise<void> {
    const child = new PlaceChild<NodeRequest>(node, PROGRAM, (told) => this.failures.push(`${node.name}: ${String(told)}`));
    this.#nodes.set(node.name, child);
    await child.ask({ kind: 'start', pinFolder: `${node.bpfFolder}/sluice` });
    await child.ask({ kind: 'apply', upserts: [...this.#resources.values(), this.#endpointsOf(node)].map(encoded), removals: [] });
    await child.ask({ kind: 'reconcile' });
  }

  /** Ends the process of a node as `kill -9` does. What it has put in force stays. */
  async killNode(node: Node): Promise<void> {
    const child = this.#nodes.get(node.name);
    this.#nodes.delete(node.name);
    await child?.kill();
  }

  /** Takes programs and tables off a node again. */
  async cleanUp(node: Node): Promise<void> {
    await this.#nodes.get(node.name)?.ask({ kind: 'clean-up' });
    await this.killNode(node);
  }

  /** How many packets became of what on a node, such as `egress dropped-spoofed`. */
  async counters(node: Node): Promise<Readonly<Record<string, number>>> {
    return countersView.parse(await this.#nodes.get(node.name)?.ask({ kind: 'counters' }));
  }

  /** Makes these all the objects that there are. Resolves when what they say is in force on nodes that are started. */
  async set(objects: readonly KubeObject[]): Promise<void> {
    const wanted = new Map(objects.map((object) => [objectKey(refOf(object)), object]));
    for (const [key, object] of this.#objects) if (!wanted.has(key)) this.#engine.delete(refOf(object));
    for (const [key, object] of wanted) if (this.#objects.get(key) !== object) this.#engine.put(object);
    this.#objects.clear();
    for (const [key, object] of wanted) this.#objects.set(key, object);
    await this.#tell(this.#engine.flush());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.values().map((child) => child[Symbol.asyncDispose]()));
    await this.lab.stop();
  }

  async #tell({ addresses, policies, endpoints }: PolicyChange): Promise<void> {
    const upserts = [...policies.upserts.map(translateSubjectPolicy), ...addresses.upserts.map(translateAddress)];
    const removals = [
      ...addresses.removals.map((name) => ({ typeUrl: ADDRESS_TYPE, name })),
      ...policies.removals.map((subject) => ({ typeUrl: SUBJECT_POLICY_TYPE, name: String(subject) })),
    ];
    for (const { typeUrl, name } of removals) this.#resources.delete(`${typeUrl} ${name}`);
    for (const resource of upserts) this.#resources.set(`${resource.typeUrl} ${resource.name}`, resource);
    for (const { uid } of endpoints.removals) this.#endpoints.delete(uid);
    for (const endpoint of endpoints.upserts) this.#endpoints.set(endpoint.uid, endpoint);
    const started = this.lab.nodes.filter(({ name }) => this.#nodes.has(name));
    await Promise.all(
      started.map(async (node) => {
        const all = [...upserts, this.#endpointsOf(node)].map(encoded);
        await this.#nodes.get(node.name)?.ask({ kind: 'apply', upserts: all, removals });
      }),
    );
  }

  #endpointsOf({ name, addresses }: Node): Resource {
    const endpoints = [...this.#endpoints.values()].filter(({ node }) => node === name);
    return translateNodeEndpoints({ node: name, endpoints, nodeAddresses: Object.values(addresses) });
  }
}

function encoded({ typeUrl, name, body }: Resource): { typeUrl: string; name: string; body: string } {
  return { typeUrl, name, body: Buffer.from(body).toString('base64') };
}
