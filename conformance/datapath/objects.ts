import type { KubeObject } from '../../kube/index.ts';
import { viewOf } from '../../policy/testing/compile.ts';
import type { NetnsLab } from '../lab/netns/index.ts';

const NAMESPACE = 'default';

/** The lab's nodes and pods as they are; the label `app` of a pod is its name. */
export function clusterOf({ nodes, pods }: NetnsLab): readonly KubeObject[] {
  const ips = (addresses: object) => Object.values(addresses).map((ip) => ({ ip }));
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: {} } },
    ...nodes.map(({ name, addresses, plan }) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: { podCIDR: plan.pods.ipv4, podCIDRs: Object.values(plan.pods) },
      status: { addresses: Object.values(addresses).map((address) => ({ type: 'InternalIP', address })) },
    })),
    ...pods.map(({ name, node, addresses, isHostNetwork }) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: NAMESPACE, uid: `uid-of-${name}`, labels: { app: name } },
      spec: { nodeName: node, hostNetwork: isHostNetwork, containers: [{ name: 'main' }] },
      status: { phase: 'Running', podIP: addresses.ipv4, podIPs: ips(addresses) },
    })),
  ].map(viewOf);
}

/** A NetworkPolicy for the pod of that name. @param spec without `podSelector` */
export function policyFor(pod: string, spec: object, name = `policy-of-${pod}`): KubeObject {
  return viewOf({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: NAMESPACE },
    spec: { podSelector: { matchLabels: { app: pod } }, ...spec },
  });
}

/** A CiliumNetworkPolicy for the pod of that name. @param spec without `endpointSelector` */
export function ciliumPolicyFor(pod: string, spec: object, name = `cilium-policy-of-${pod}`): KubeObject {
  return viewOf({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace: NAMESPACE },
    spec: { endpointSelector: { matchLabels: { app: pod } }, ...spec },
  });
}

export function peer(pod: string): object {
  return { podSelector: { matchLabels: { app: pod } } };
}

export const NOTHING_IN = { policyTypes: ['Ingress'], ingress: [] } as const;
export const NOTHING_OUT = { policyTypes: ['Egress'], egress: [] } as const;
