import { isWithin } from './match.ts';
import type { PlainNode, PlainObject, PlainPod } from './objects.ts';

/** Who has an address, as seen from a pod. */
export type Party =
  | { readonly kind: 'pod'; readonly address: string; readonly pod: PlainPod }
  /** A pod whose address is that of a node's Ingresses, which is none to policies. */
  | { readonly kind: 'ingress'; readonly address: string }
  /** The node that the other end runs on, or one of the others. */
  | { readonly kind: 'host' | 'remote-node'; readonly address: string; readonly isApiServer: boolean }
  /** Of the pods' network, and no pod's. */
  | { readonly kind: 'unmanaged'; readonly address: string }
  | { readonly kind: 'world'; readonly address: string; readonly isApiServer: boolean };

export function podsOf(objects: readonly PlainObject[]): PlainPod[] {
  return objects.filter((object): object is PlainPod => object.kind === 'Pod');
}

export function nodesOf(objects: readonly PlainObject[]): PlainNode[] {
  return objects.filter((object): object is PlainNode => object.kind === 'Node');
}

/** The pod that has an address, if it runs and is not one of the host network. */
export function podAt(objects: readonly PlainObject[], address: string): PlainPod | undefined {
  return podsOf(objects).find(
    ({ spec, status }) =>
      spec.hostNetwork !== true &&
      status.phase !== 'Succeeded' &&
      status.phase !== 'Failed' &&
      (status.podIPs ?? []).some(({ ip }) => ip === address),
  );
}

/** @param seenFrom the pod at the other end */
export function partyAt(objects: readonly PlainObject[], address: string, seenFrom: PlainPod): Party {
  const pod = podAt(objects, address);
  if (pod) return partyOf(pod, address);
  const isApiServer = apiServerAddresses(objects).includes(address);
  const node = nodesOf(objects).find(({ status }) => status?.addresses?.some((each) => each.address === address));
  if (node) return { kind: node.metadata.name === seenFrom.spec.nodeName ? 'host' : 'remote-node', address, isApiServer };
  if (isApiServer) return { kind: 'world', address, isApiServer };
  const isPodNetwork = nodesOf(objects).some(({ spec }) => spec?.podCIDRs?.some((prefix) => isWithin(address, prefix)));
  return isPodNetwork ? { kind: 'unmanaged', address } : { kind: 'world', address, isApiServer };
}

export function partyOf(pod: PlainPod, address: string): Party {
  return isIngressHolder(pod) ? { kind: 'ingress', address } : { kind: 'pod', address, pod };
}

/** Whether policies are about it as about `reserved:ingress`. */
export function isIngressHolder(pod: PlainPod): boolean {
  return namespaceOf(pod) === 'sluice-system' && pod.metadata.labels?.['sluice.io/ingress-address'] !== undefined;
}

function apiServerAddresses(objects: readonly PlainObject[]): string[] {
  return objects.flatMap((object) => {
    const { kind, metadata } = object;
    if (kind !== 'EndpointSlice' || metadata.namespace !== 'default') return [];
    if (metadata.labels?.['kubernetes.io/service-name'] !== 'kubernetes') return [];
    const endpoints = object['endpoints'] as readonly { readonly addresses: readonly string[] }[];
    return endpoints.flatMap(({ addresses }) => addresses);
  });
}

export function namespaceOf(object: PlainObject): string {
  return object.metadata.namespace ?? 'default';
}

/** The labels of a namespace, with the one that the API server gives it. */
export function namespaceLabels(objects: readonly PlainObject[], name: string): Readonly<Record<string, string>> {
  const namespace = objects.find((object) => object.kind === 'Namespace' && object.metadata.name === name);
  return { ...namespace?.metadata.labels, 'kubernetes.io/metadata.name': name };
}

/** The number and protocol of a pod's ports by a name. */
export function portsByName({ spec }: PlainPod, name: string): { readonly protocol: string; readonly number: number }[] {
  const ports = (spec.containers ?? []).flatMap((container) => container.ports ?? []);
  return ports.filter((port) => port.name === name).map(({ protocol = 'TCP', containerPort }) => ({ protocol, number: containerPort }));
}
