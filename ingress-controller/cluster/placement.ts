import type { Settings } from '../../settings/index.ts';

/**
 * Where Ingresses are served: by this process on its own ports, behind Services that load balancers send to the nodes, or on
 * ports of the nodes themselves. In a cluster, `namespace` is the one that Sluice runs in.
 */
export type Placement =
  | { readonly kind: 'standalone' }
  | { readonly kind: 'load-balancer'; readonly namespace: string }
  | { readonly kind: 'host-network'; readonly namespace: string; readonly sharedPort: number };

export const STANDALONE: Placement = { kind: 'standalone' };

/** The ports of each node that load balancers send to for all Ingresses in mode `shared`. */
export const SHARED_NODE_PORTS = { http: 20_000, https: 20_001 } as const;

/** Where Ingresses are served in a cluster. */
export function clusterPlacement({ hostNetwork }: Settings['ingress'], namespace: string): Placement {
  return hostNetwork.enabled
    ? { kind: 'host-network', namespace, sharedPort: hostNetwork.sharedListenerPort }
    : { kind: 'load-balancer', namespace };
}
