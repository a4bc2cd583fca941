import { isWithin, selects } from './match.ts';
import type { PlainNetworkPolicy, PlainObject, PlainPeer, PlainPod, PlainPort } from './objects.ts';
import { isIngressHolder, namespaceLabels, namespaceOf, type Party, portsByName } from './parties.ts';
import type { Asked } from './talk.ts';

/** What policies of one sort say of a packet: whether they isolate the pod, and whether one of them denies it or allows it as it is. */
export interface Opinion {
  readonly isolates: boolean;
  readonly allows: boolean;
  readonly denies: boolean;
  /** On layer 7, by those that allow it only then. */
  readonly asked: readonly Asked[];
}

export interface Question {
  readonly objects: readonly PlainObject[];
  readonly subject: PlainPod;
  readonly direction: 'ingress' | 'egress';
  readonly other: Party;
  /** `TCP`, `UDP`, `SCTP`, `ICMP` or `ICMPv6`. */
  readonly protocol: string;
  /** Destination port, or type of an ICMP message. */
  readonly port: number;
}

/** @see https://kubernetes.io/docs/concepts/services-networking/network-policies/ */
export function askNetworkPolicies(question: Question): Opinion {
  const { objects, subject, direction } = question;
  const policies = objects.filter((object): object is PlainNetworkPolicy => object.kind === 'NetworkPolicy');
  const selecting = policies.filter(
    (policy) =>
      namespaceOf(policy) === namespaceOf(subject) &&
      !isIngressHolder(subject) &&
      selects(policy.spec.podSelector ?? {}, (key) => subject.metadata.labels?.[key]) &&
      isAbout(policy, direction),
  );
  const allows = selecting.some((policy) => {
    if (direction === 'ingress') {
      return (policy.spec.ingress ?? []).some(({ from, ports }) => isPeer(from, policy, question) && isPort(ports, question));
    }
    return (policy.spec.egress ?? []).some(({ to, ports }) => isPeer(to, policy, question) && isPort(ports, question));
  });
  return { isolates: selecting.length > 0, allows, denies: false, asked: [] };
}

function isAbout({ spec }: PlainNetworkPolicy, direction: 'ingress' | 'egress'): boolean {
  const types = spec.policyTypes ?? [];
  if (types.length > 0) return types.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
  return direction === 'ingress' || (spec.egress ?? []).length > 0;
}

function isPeer(peers: readonly PlainPeer[] | undefined, policy: PlainNetworkPolicy, { objects, other }: Question): boolean {
  if (!peers || peers.length === 0) return true;
  return peers.some(({ podSelector, namespaceSelector, ipBlock }) => {
    if (ipBlock) {
      // What is sent to the own node passes anyhow, and what it sends, too.
      if (other.kind === 'host') return false;
      return isWithin(other.address, ipBlock.cidr) && !(ipBlock.except ?? []).some((except) => isWithin(other.address, except));
    }
    if (other.kind !== 'pod') return false;
    const namespace = namespaceOf(other.pod);
    if (namespaceSelector) {
      const labels = namespaceLabels(objects, namespace);
      if (!selects(namespaceSelector, (key) => labels[key])) return false;
    } else if (namespace !== namespaceOf(policy)) return false;
    return selects(podSelector ?? {}, (key) => other.pod.metadata.labels?.[key]);
  });
}

function isPort(ports: readonly PlainPort[] | undefined, { subject, direction, other, protocol, port }: Question): boolean {
  if (!ports || ports.length === 0) return true;
  return ports.some((wanted) => {
    const wantedProtocol = wanted.protocol ?? 'TCP';
    if (wantedProtocol !== protocol) return false;
    if (wanted.port === undefined) return true;
    if (typeof wanted.port === 'number') return port >= wanted.port && port <= (wanted.endPort ?? wanted.port);
    const receiver = direction === 'ingress' ? subject : other.kind === 'pod' ? other.pod : undefined;
    const named = receiver ? portsByName(receiver, wanted.port) : [];
    return named.some((each) => each.protocol === protocol && each.number === port);
  });
}
