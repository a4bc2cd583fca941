import type { PlainObject } from '../oracle/objects.ts';

/** A pod of the namespace `default` on `node-0`, unless it says otherwise. */
export function pod(
  name: string,
  ip: string,
  labels: Readonly<Record<string, string>>,
  more: { readonly namespace?: string; readonly ports?: readonly object[]; readonly spec?: object; readonly status?: object } = {},
): PlainObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: more.namespace ?? 'default', uid: `uid-${name}`, labels },
    spec: { nodeName: 'node-0', containers: [{ name: 'main', ports: more.ports ?? [] }], ...more.spec },
    status: { phase: 'Running', podIPs: [{ ip }], ...more.status },
  };
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): PlainObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

export function node(name: string, address: string, podCIDR: string): PlainObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDRs: [podCIDR] },
    status: { addresses: [{ type: 'InternalIP', address }] },
  };
}

export function networkPolicyOf(spec: unknown, name = 'policy', namespaceName = 'default'): PlainObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: namespaceName }, spec };
}

export function ciliumPolicyOf(spec: unknown, name = 'policy', namespaceName = 'default'): PlainObject {
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: { name, namespace: namespaceName }, spec };
}

export function clusterwidePolicyOf(spec: unknown, name = 'policy'): PlainObject {
  return { apiVersion: 'cilium.io/v2', kind: 'CiliumClusterwideNetworkPolicy', metadata: { name }, spec };
}
