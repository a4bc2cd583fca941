import { isIPv4 } from 'node:net';
import type { KubeObject, Pod } from '../../kube/index.ts';
import {
  type Direction,
  type Identity,
  type ObjectRef,
  objectKey,
  type PodEndpoint,
  RESERVED_IDENTITIES,
  type Slot,
  type SubjectPolicy,
} from '../../model/index.ts';
import { AddressTable, identitiesWithLabels, PolicyEngine, type PolicyEngineOptions } from '../../policy/index.ts';

export type Family = 4 | 6;

const ADDRESS_RULE = /"(?:ipBlock|(?:from|to)CIDR(?:Set)?)"/;

/** Pods and policies at one moment, compiled. */
export class PolicyWorld {
  readonly objects: readonly KubeObject[];
  readonly #engine: PolicyEngine;
  readonly #addresses = new AddressTable();
  readonly #labels = new Map<Identity, readonly string[]>();
  readonly #endpoints = new Map<string, PodEndpoint>();
  readonly #placed = new Set<string>();

  constructor(objects: readonly KubeObject[], options: PolicyEngineOptions) {
    this.objects = objects;
    this.#engine = new PolicyEngine(options);
    for (const [index, object] of objects.entries()) this.#engine.put(object.kind === 'Pod' ? this.#place(object, index + 1) : object);
    const { identities, addresses, endpoints } = this.#engine.flush();
    for (const { identity, labels } of identities.upserts) this.#labels.set(identity, labels);
    for (const entry of addresses.upserts) this.#addresses.put(entry);
    for (const endpoint of endpoints.upserts) this.#endpoints.set(objectKey(endpoint.pod), endpoint);
  }

  pod(namespace: string, name: string): Pod | undefined {
    return this.pods().find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  }

  pods(): Pod[] {
    return this.objects.filter((object) => object.kind === 'Pod');
  }

  endpoint(pod: ObjectRef): PodEndpoint | undefined {
    return this.#endpoints.get(objectKey(pod));
  }

  endpointAt(address: string): PodEndpoint | undefined {
    return this.#endpoints.values().find(({ addresses }) => addresses.includes(address));
  }

  /** Whether a pod has no address of its own yet, is judged as if it had one that nobody uses, and there are rules for which that counts. */
  isPlaced(pod: ObjectRef): boolean {
    return this.#placed.has(objectKey(pod)) && this.objects.some(namesAddresses);
  }

  /** One pod of each identity whose labels are these and maybe more. @param except a pod that does not count */
  endpointsWithLabels(labels: readonly string[], except: ObjectRef): PodEndpoint[] {
    const all = Array.from(this.#labels, ([identity, own]) => ({ identity, labels: own }));
    const wanted = new Set(identitiesWithLabels(all, labels));
    const others = [...this.#endpoints.values()].filter(
      ({ pod, identity }) => wanted.has(identity) && objectKey(pod) !== objectKey(except),
    );
    return [...Map.groupBy(others, ({ identity }) => identity).values()].flatMap(([first]) => first ?? []);
  }

  labelsOf(identity: Identity): readonly string[] {
    return this.#labels.get(identity) ?? [];
  }

  /** Whom a pod of this node takes the sender or receiver at an address for. */
  identityAt(address: string, node: string): Identity {
    if (this.#nodeAddresses(node).includes(address)) return RESERVED_IDENTITIES.host;
    return this.#addresses.find(address) ?? RESERVED_IDENTITIES.unknown;
  }

  policy(subject: Identity): SubjectPolicy | undefined {
    return this.#engine.policy(subject);
  }

  slot(name: string): Slot | undefined {
    return this.#engine.slot(name);
  }

  isolating(subject: Identity, direction: Direction): readonly ObjectRef[] {
    return this.#engine.isolating(subject, direction);
  }

  #nodeAddresses(name: string): string[] {
    const nodes = this.objects.filter((object) => object.kind === 'Node').filter(({ metadata }) => metadata.name === name);
    return nodes.flatMap(({ status }) => status.addresses.map(({ address }) => address));
  }

  /**
   * Manifests that users write say nothing of addresses and nodes, which a pod must have to be judged. Those of networks for benchmarks
   * are nobody's: https://www.rfc-editor.org/rfc/rfc2544#appendix-C.2.2 and https://www.rfc-editor.org/rfc/rfc5180#section-8
   */
  #place(pod: Pod, number: number): Pod {
    if (pod.spec.hostNetwork) return pod;
    const { addresses } = pod.status;
    const { namespace, name } = pod.metadata;
    if (addresses.length === 0) this.#placed.add(objectKey({ kind: 'Pod', namespace, name }));
    const placed = [`198.${18 + ((number >> 16) & 1)}.${(number >> 8) & 0xff}.${number & 0xff}`, `2001:2::${number.toString(16)}`];
    return {
      ...pod,
      spec: { ...pod.spec, nodeName: pod.spec.nodeName ?? '' },
      status: { ...pod.status, addresses: addresses.length > 0 ? addresses : placed },
    };
  }
}

export function familyOf(address: string): Family {
  return isIPv4(address) ? 4 : 6;
}

/** Cheaper than to look for it, and no harm where it is wrong. */
function namesAddresses(object: KubeObject): boolean {
  return object.kind.endsWith('NetworkPolicy') && ADDRESS_RULE.test(JSON.stringify(object));
}
